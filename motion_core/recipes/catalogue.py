"""All recipes by name and preset."""

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


def usual_preset(name: str, *, starter: bool) -> str:
    """Returns the preset of a recipe that is taken where none is chosen. starter: whether the model is the starter."""
    if starter:
        return "starter"
    return "official" if name == "motion_inversion" else "published"
