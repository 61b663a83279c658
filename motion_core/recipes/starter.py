"""The recipes' numbers for the starter model: it is small, sampled in few steps, and quick to train on."""

from dataclasses import replace

from ..diffusion.timesteps import Uniform
from .customizing_motion import CUSTOMIZING_MOTION
from .motion_director import MOTION_DIRECTOR
from .motion_matcher import MOTION_MATCHER
from .vmc import VMC

_HIGH_NOISE = Uniform(500, 1000)
"""Where motion is decided."""

STARTER_RECIPES = [
    replace(recipe, preset="starter", memory="fast")
    for recipe in (
        VMC.changed(learning_rate=1e-3, steps=150, timesteps=_HIGH_NOISE),
        MOTION_DIRECTOR.changed(learning_rate=1e-3, steps=150, timesteps=_HIGH_NOISE),
        CUSTOMIZING_MOTION.changed(learning_rate=2e-3, steps=100),
        MOTION_MATCHER.changed(learning_rate=5e-3, steps=120),
    )
]
"""Ours, by trial on one clip. The rest of each method stays as published."""
