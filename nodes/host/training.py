"""Trains a motion on the host's MODEL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...motion_core.memory.free_memory import format_bytes
from ...motion_core.motions.origin import ReferenceInfo
from ...motion_core.recipes.recipe import Recipe
from ...motion_core.training.train import Trained, train
from .denoiser import HostDenoiser
from .inference_mode import make_ordinary, ordinary_tensors
from .latents import LATENT_PIXELS
from .preview_score import PreviewScore
from .progress import TrainingProgress
from .references import CaptionedLatents, check_sizes, make_reference_set
from .running import run_in_host
from .static_weights import moves_its_weights


def train_on_model(
    model: Any,
    references: Sequence[CaptionedLatents],
    recipe: Recipe,
    seed: int,
    *,
    mask: Tensor | None = None,
    preview: PreviewScore | None = None,
) -> Trained:
    """Trains what the references share. mask: (1 or N, H, W) as a MASK, white where the loss counts; preview: may end
    training by the appearance of previews. Raises MotionError.
    """
    check_sizes(references)
    latents = references[0].latents
    height, width = (LATENT_PIXELS * side for side in latents.shape[-2:])

    def work(denoiser: HostDenoiser, clip: Tensor) -> Trained:
        make_ordinary(denoiser.conditions)
        with torch.inference_mode(False), ordinary_tensors(denoiser.base, clip.device):
            return train(
                denoiser,
                make_reference_set(denoiser, references, mask, clip),
                recipe,
                seed=seed,
                info=ReferenceInfo(width, height),
                callback=TrainingProgress(recipe.steps),
                observer=preview.observe(denoiser, clip, recipe) if preview else None,
                find_free=denoiser.find_free,
            )

    conditionings = [*(each.conditioning for each in references), *(preview.conditionings if preview else ())]
    with torch.inference_mode(False):
        return run_in_host(model, conditionings, latents.clone(), work, training=True)


def describe(trained: Trained, model: Any) -> str:
    """Says what training on MODEL took, one fact a line."""
    lines = [f"{len(trained.losses)} steps", str(trained.memory)]
    if moves_its_weights(model):
        lines.append(f"trained on a copy of the model ({format_bytes(model.model_size())}),\nkept as long as the model")
    return "\n".join(lines)
