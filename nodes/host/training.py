"""Trains a motion on the host's MODEL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...motion_core.errors import OptionError
from ...motion_core.memory.free_memory import format_bytes
from ...motion_core.models.families import recognize
from ...motion_core.motions.origin import UNKNOWN, ReferenceInfo
from ...motion_core.recipes.recipe import Recipe
from ...motion_core.training.examples import Example, ReferenceSet
from ...motion_core.training.observer import Observer, Observers
from ...motion_core.training.train import Trained, train
from .denoiser import HostDenoiser
from .latents import count_frames, first_frame, shrink_mask, to_core
from .ordinary_tensors import make_ordinary, ordinary_weights
from .preview_stop import PreviewStop
from .progress import TrainingProgress
from .sampling_job import run_in_host
from .static_weights import moves_its_weights
from .training_previews import TrainingPreviews

CLIP, REGULARISATION, SUBJECT = "shows the motion", "regularisation", "subject"


@dataclass(frozen=True)
class CaptionedLatents:
    """A clip and what it shows, as the sockets carry them. latents: (N, C, h, w); of any role but CLIP also a single
    frame, of SUBJECT always.
    """

    latents: Tensor
    conditioning: Any
    role: str = CLIP


def train_in_host(
    model: Any,
    clips: Sequence[CaptionedLatents],
    recipe: Recipe,
    *,
    progress: TrainingProgress,
    seed: int = 0,
    mask: Tensor | None = None,
    stop: PreviewStop | None = None,
    previews: TrainingPreviews | None = None,
    info: ReferenceInfo = UNKNOWN,
) -> Trained:
    """Trains what the clips share. The first is the reference. All have its size and, but for single frames, length.

    progress: shows it; mask: (1 or N, H, W), white where the loss counts; info: what is known of the reference besides
    its size.
    Raises MotionError.
    """
    first = clips[0].latents
    _check_shapes(clips)

    def work(denoiser: HostDenoiser, clip: Tensor) -> Trained:
        make_ordinary(denoiser.conditions)
        with torch.inference_mode(False), ordinary_weights(denoiser.base, clip.device):
            references = _collect(denoiser, clips, clip, mask)
            conditions = denoiser.conditions[len(clips) :]
            observers: list[Observer] = []
            if previews:
                shown, conditions = conditions[:2], conditions[2:]
                observers.append(previews.start(denoiser, references.first, shown, progress.show_frames))
            if stop:
                observers.append(stop.start(denoiser, references.first, recipe, conditions))
            return train(
                denoiser,
                references,
                recipe,
                seed=seed,
                info=_with_size(info, denoiser, first),
                callback=progress,
                observer=Observers(observers),
                find_free=denoiser.find_free,
                on_begin=progress.begin,
            )

    shown = [*(previews.conditionings if previews else ()), *(stop.conditionings if stop else ())]
    conditionings = [*(each.conditioning for each in clips), *shown]
    with torch.inference_mode(False):
        return run_in_host(model, conditionings, first.clone(), work, gradients=True)


def describe(trained: Trained, model: Any) -> str:
    """Describes for people what training on MODEL took."""
    lines = [f"{len(trained.losses)} steps", str(trained.memory)]
    if moves_its_weights(model):
        lines.append(f"learnt on a copy of the model ({format_bytes(model.model_size())}),\nkept as long as the model")
    return "\n".join(lines)


def _check_shapes(clips: Sequence[CaptionedLatents]) -> None:
    first = clips[0].latents
    for other in clips[1:]:
        like = first_frame(first) if other.role != CLIP and count_frames(other.latents) == 1 else first
        if other.latents.shape != like.shape:
            raise OptionError(
                f"a clip's latents have shape {tuple(other.latents.shape)} and the first one's {tuple(first.shape)}; "
                "load all clips with the same frames and size, or single frames that do not show the motion"
            )


def _collect(
    denoiser: HostDenoiser, clips: Sequence[CaptionedLatents], like: Tensor, mask: Tensor | None
) -> ReferenceSet:
    examples: dict[str, list[Example]] = {CLIP: [], REGULARISATION: [], SUBJECT: []}
    for each, condition in zip(clips, denoiser.conditions, strict=False):
        latents = to_core(denoiser.base.process_latent_in(each.latents.clone().to(like)))
        examples[each.role].append(Example(latents, condition))
    weights = None if mask is None else shrink_mask(mask.clone(), clips[0].latents).to(like.device)
    return ReferenceSet(examples[CLIP], examples[REGULARISATION], examples[SUBJECT], weights)


def _with_size(info: ReferenceInfo, denoiser: HostDenoiser, latents: Tensor) -> ReferenceInfo:
    usual = recognize(denoiser.module).family.pixels_per_latent
    pixels = getattr(denoiser.base.latent_format, "spacial_downscale_ratio", usual)  # the host's spelling
    return replace(info, width=latents.shape[-1] * pixels, height=latents.shape[-2] * pixels)
