"""Published ways to customise motion that train an adapter: read them in this order.

Motion Inversion, which trains embeddings instead, is in `motion_core.training.train`.
"""

from ..errors import OptionError
from .customizing_motion import CUSTOMIZING_MOTION
from .motion_director import MOTION_DIRECTOR
from .motion_matcher import MOTION_MATCHER
from .recipe import FEATURES, KINDS, Recipe
from .starter import STARTER_RECIPES
from .vmc import VMC

RECIPES = {recipe.name: recipe for recipe in (VMC, MOTION_DIRECTOR, CUSTOMIZING_MOTION, MOTION_MATCHER)}
PRESETS = {"published": RECIPES, "starter": STARTER_RECIPES}

__all__ = ["FEATURES", "KINDS", "PRESETS", "RECIPES", "STARTER_RECIPES", "Recipe", "find_recipe"]


def find_recipe(name: str, preset: str = "published") -> Recipe:
    """The recipe of that name, as published or as it suits the starter model. Raises OptionError."""
    if preset not in PRESETS:
        raise OptionError(f"preset is {preset!r}; use one of {', '.join(PRESETS)}")
    if name not in PRESETS[preset]:
        raise OptionError(f"recipe is {name!r}; use one of {', '.join(RECIPES)}")
    return PRESETS[preset][name]
