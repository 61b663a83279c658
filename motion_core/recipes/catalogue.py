"""All recipes by name and preset."""

from collections.abc import Sequence

from ..errors import OptionError
from .customizing_motion import CUSTOMIZING_MOTION
from .motion_director import MOTION_DIRECTOR
from .motion_inversion import MOTION_INVERSION
from .motion_matcher import MOTION_MATCHER
from .recipe import Recipe
from .starter import STARTER_RECIPES
from .vmc import VMC

ADAPTER_RECIPES = (VMC, MOTION_DIRECTOR, CUSTOMIZING_MOTION, MOTION_MATCHER)
ADAPTER_PRESETS = ("published", "starter")
RECIPES: dict[str, dict[str, Recipe]] = {"motion_inversion": MOTION_INVERSION}
for _recipe in (*ADAPTER_RECIPES, *STARTER_RECIPES):
    RECIPES.setdefault(_recipe.name, {})[_recipe.preset] = _recipe


def find_recipe(name: str, preset: str) -> Recipe:
    """Finds a recipe. preset: whose numbers it has. Raises OptionError."""
    if name not in RECIPES:
        raise OptionError(f"recipe is {name!r}; use one of {', '.join(RECIPES)}")
    if preset not in RECIPES[name]:
        raise OptionError(f"preset is {preset!r}; use one of {', '.join(RECIPES[name])}")
    return RECIPES[name][preset]


def first_preset(name: str, wanted: Sequence[str]) -> str:
    """Returns the first of these presets that a recipe has, and the last where it has none of them."""
    return next((preset for preset in wanted if preset in RECIPES.get(name, {})), wanted[-1])
