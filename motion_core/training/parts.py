"""What a recipe trains on a model: the motion, and the appearance adapter that is thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import torch
from torch import Tensor

from ..diffusion.denoiser import Denoiser
from ..errors import OptionError
from ..hooks.applied import AppliedMotion
from ..hooks.embedding_hooks import recorded_tokens
from ..hooks.live_switch import LiveSwitch
from ..models.families import Recognized
from ..models.layers import select_layers
from ..models.sites import AttentionSite, select_sites
from ..models.token_layout import Grid
from ..motions.adapter import Adapter
from ..motions.embedding import MotionEmbedding
from ..motions.motion import Motion
from ..recipes.loss_term import APPEARANCE, MOTION, SPATIAL
from ..recipes.recipe import EMBEDDING, WEIGHTS, Recipe
from .examples import Example

AnyMotion = TypeVar("AnyMotion", MotionEmbedding, Adapter)


@dataclass(frozen=True)
class TrainedParts:
    """motions: `motion`, and `appearance` where the recipe has one. spatial: the parameters of the motion that work
    within frames.
    """

    motions: dict[str, Motion]
    spatial: Sequence[Tensor]

    @property
    def motion(self) -> Motion:
        return self.motions[MOTION]

    @property
    def parameters(self) -> list[Tensor]:
        return [parameter for motion in self.motions.values() for parameter in motion.parameters]

    def changed_by(self, trains: str) -> Sequence[Tensor]:
        """Returns the parameters that a loss term changes."""
        return self.spatial if trains == SPATIAL else self.motions[trains].parameters

    def attach(self, denoiser: Denoiser, stack: ExitStack) -> dict[str, LiveSwitch]:
        """Attaches the motions to the model until the stack closes. Returns their switches by name."""
        return {
            name: stack.enter_context(AppliedMotion.of(motion, debias="none").attached(denoiser.module))
            for name, motion in self.motions.items()
        }


def start_parts(
    denoiser: Denoiser, model: Recognized, recipe: Recipe, example: Example, *, grids: dict[str, Grid], seed: int
) -> TrainedParts:
    """Makes what training starts from, on the device of the example's latents. Raises OptionError, ModelError."""
    device, frames = example.latents.device, example.latents.shape[2]
    if recipe.kind == EMBEDDING:
        sites = select_sites(model.sites, recipe.sites)
        coarse = limit_grids(grids, recipe.grid)
        shape = {"layout": recipe.layout, "spatial": recipe.spatial}
        embedding = MotionEmbedding.zeros(model.family.name, sites, coarse, frames, device=device, **shape)
        return TrainedParts({MOTION: _trainable(embedding)}, ())
    adapter = _trainable(_start_adapter(model, recipe, recipe.layers, seed).moved(device))
    motions: dict[str, Motion] = {MOTION: adapter}
    if recipe.appearance_layers:
        appearance = _start_adapter(model, recipe, recipe.appearance_layers, seed + 1)
        motions[APPEARANCE] = _trainable(appearance.moved(device))
    within_frames = {layer.name for layer in model.list_layers() if not layer.temporal}
    spatial = [t for name, part in adapter.parts.items() if name in within_frames for t in part.tensors]
    return TrainedParts(motions, spatial)


def refuse_subjects(recipe: Recipe) -> NoReturn:
    """Raises OptionError: nothing of the motion works within frames, so that no appearance can be trained."""
    raise OptionError(
        f"the recipe {recipe.name} changes nothing within frames, where a subject's appearance would be learnt; "
        "leave the subjects out, or take customizing_motion"
    )


@torch.no_grad()
def measure_grids(denoiser: Denoiser, sites: Sequence[AttentionSite], example: Example) -> dict[str, Grid]:
    """Runs the model once and returns the (h, w) on which each block's attention works."""
    with recorded_tokens(sites) as tokens:
        t = torch.zeros(1, dtype=torch.long, device=example.latents.device)
        denoiser.predict(example.latents, t, [example.condition])
    return {block: live.grid for block, live in tokens.items()}


def limit_grids(grids: dict[str, Grid], longest: int | None) -> dict[str, Grid]:
    """Returns grids whose longer side has at most so many places, each in its own aspect."""
    if longest is None:
        return grids
    return {
        block: grid if max(grid) <= longest else (_share(grid[0], longest, grid), _share(grid[1], longest, grid))
        for block, grid in grids.items()
    }


def _share(side: int, longest: int, grid: Grid) -> int:
    return max(1, round(side * longest / max(grid)))


def _start_adapter(model: Recognized, recipe: Recipe, which: str, seed: int) -> Adapter:
    layers = select_layers(model.list_layers(), which)
    if recipe.kind == WEIGHTS:
        return Adapter.deltas(model.family.name, layers)
    linear = [layer for layer in layers if len(layer.shape) == 2]
    return Adapter.low_rank(model.family.name, linear, recipe.rank, seed=seed)


def _trainable(motion: AnyMotion) -> AnyMotion:
    for parameter in motion.parameters:
        parameter.requires_grad_()
    return motion
