"""The recipes' numbers for the starter model: it is small, sampled in few steps, and quick to train on."""

from dataclasses import replace

from ..diffusion.timesteps import Uniform
from .customizing_motion import CUSTOMIZING_MOTION
from .motion_director import MOTION_DIRECTOR
from .motion_matcher import MOTION_MATCHER
from .recipe import WEIGHTS
from .vmc import VMC

_HIGH_NOISE = Uniform(500, 1000)
"""Where motion is decided."""

_USUAL = {"steady": True, "fast_kernels": True, "memory": "fast"}

STARTER_RECIPES = [
    replace(recipe, preset="starter")
    for recipe in (
        VMC.changed(layers="temporal_attention", learning_rate=1e-3, steps=250, timesteps=_HIGH_NOISE, **_USUAL),
        replace(
            MOTION_DIRECTOR.changed(
                layers="temporal", kind=WEIGHTS, learning_rate=1e-3, steps=200, timesteps=_HIGH_NOISE, **_USUAL
            ),
            apply={"branches": "conditional", "end": 0.2},
        ),
        replace(
            CUSTOMIZING_MOTION.changed(learning_rate=1e-3, steps=2000, timesteps=_HIGH_NOISE, **_USUAL),
            terms=tuple(replace(term, probability=0.1) if term.required else term for term in CUSTOMIZING_MOTION.terms),
            apply={"branches": "conditional", "end": 0.5},
        ),
        replace(
            MOTION_MATCHER.changed(layers="temporal", kind=WEIGHTS, learning_rate=1e-3, steps=200, **_USUAL),
            apply={"end": 0.5, "strength": 1.4},
        ),
    )
]
"""Ours, see docs/measurements.md. The rest of each method stays as published.

This model tells one frame from another by its temporal convolutions, whose zero padding marks the ends of a clip. What
leaves them as they are moves little, so all but VMC train them, as whole weights. VMC starts from noise that moves by
itself, and keeps looks better with temporal attention alone. Customizing Motion has a regularisation clip in one of ten
steps: the model hardly hears the token, so that a clip in each step holds the motion back.
"""
