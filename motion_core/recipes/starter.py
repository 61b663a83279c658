"""The recipes' numbers where the model is the starter: small, sampled in few steps, and quick to learn."""

from ..diffusion.timesteps import Uniform
from .customizing_motion import CUSTOMIZING_MOTION
from .motion_director import MOTION_DIRECTOR
from .motion_matcher import MOTION_MATCHER
from .vmc import VMC

_WHERE_MOTION_IS_DECIDED = Uniform(500, 1000)

STARTER_RECIPES = {
    recipe.name: recipe
    for recipe in (
        VMC.changed(learning_rate=1e-3, steps=150, timesteps=_WHERE_MOTION_IS_DECIDED, memory="fast"),
        MOTION_DIRECTOR.changed(learning_rate=1e-3, steps=150, timesteps=_WHERE_MOTION_IS_DECIDED, memory="fast"),
        CUSTOMIZING_MOTION.changed(learning_rate=2e-3, steps=100, memory="fast"),
        MOTION_MATCHER.changed(learning_rate=5e-3, steps=120, memory="fast"),
    )
}
"""Ours, by trial on one clip; what makes each method what it is stays as published."""
