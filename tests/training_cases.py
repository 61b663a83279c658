"""References and short recipes that several tests of training share."""

from __future__ import annotations

from dataclasses import replace

import torch

from motion_core.motions.motion import Motion
from motion_core.recipes.catalogue import find_recipe
from motion_core.recipes.motion_inversion import OFFICIAL
from motion_core.recipes.recipe import Recipe
from motion_core.training.examples import Example, ReferenceSet
from tests.conftest import seeded

RECIPE_NAMES = ("motion_inversion", "vmc", "motion_director", "customizing_motion", "motion_matcher")
EMBEDDING_RECIPE = OFFICIAL.changed(steps=3, sites="all", memory="fast")


def one_clip(latents: torch.Tensor, text: torch.Tensor, mask: torch.Tensor | None = None) -> ReferenceSet:
    """One clip (1, C, N, h, w) and its text features (1, L, D)."""
    return ReferenceSet([Example(latents, text[0])], mask=mask)


def short_recipe(name: str, **changes) -> Recipe:
    """Two steps of a recipe at a high rate, small where it is of low rank."""
    recipe = find_recipe(name, "official" if name == "motion_inversion" else "published")
    numbers = {"steps": 2, "learning_rate": 1e-2, "memory": "fast", **changes}  # None keeps the recipe's
    return replace(recipe, rank=4).changed(**numbers)


def assert_equal_motions(one: Motion, other: Motion, **tolerance: float) -> None:
    """Asserts that the parameters agree, to the bit where no tolerance is given."""
    for a, b in zip(one.parameters, other.parameters, strict=True):
        torch.testing.assert_close(a, b, **(tolerance or {"atol": 0, "rtol": 0}))


def with_still(latents: torch.Tensor, text: torch.Tensor) -> ReferenceSet:
    """One clip, and a clip in which nothing moves for regularisation."""
    still = seeded(1, 4, 1, *latents.shape[-2:], seed=2).expand_as(latents)
    return ReferenceSet([Example(latents, text[0])], [Example(still, seeded(5, 16, seed=3))])
