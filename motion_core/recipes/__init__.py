"""Published ways to customise motion that train an adapter: read them in this order.

Motion Inversion, which trains embeddings instead, is in `motion_core.learning`.
"""

from collections.abc import Mapping

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


def find_recipe(name: str, among: Mapping[str, Recipe] | None = None) -> Recipe:
    """The recipe of that name, as published or as in `among`. Raises OptionError."""
    known = RECIPES if among is None else among
    if name not in known:
        raise OptionError(f"recipe is {name!r}; use one of {', '.join(known)}")
    return known[name]
