"""Learns an adapter on the host's MODEL, as a recipe says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...motion_core.errors import OptionError
from ...motion_core.motions.origin import Origin
from ...motion_core.recipes.recipe import Recipe
from ...motion_core.training.adapter_learning import LearntAdapter, fit_adapter
from ...motion_core.training.examples import Example, ReferenceSet
from .appearance_stop import Watch
from .learning import LATENT_PIXELS
from .progress import LearningProgress
from .running import HostDenoiser, number_of_text, run_in_host, thaw_conditioning, thawed

SHOWS, LACKS, SUBJECT = "shows the motion", "regularisation", "subject"


@dataclass(frozen=True)
class Shown:
    """A clip with what it shows, as the sockets carry them. latents: (N, C, h, w), of any role but SHOWS also a single
    frame, of SUBJECT always.
    """

    latents: Tensor
    conditioning: Any
    role: str = SHOWS


def split_clips(latents: Tensor, clips: int) -> list[Tensor]:
    """(clips * N, C, h, w) to as many of (N, C, h, w). Raises OptionError."""
    if len(latents) % clips:
        raise OptionError(
            f"{len(latents)} frames are not {clips} clips of one length; "
            "give the number that Augment or Recolour Reference Video gives"
        )
    return list(latents.split(len(latents) // clips))


def learn_adapter(
    model: Any, shown: Sequence[Shown], recipe: Recipe, seed: int, watch: Watch | None = None
) -> LearntAdapter:
    """What the clips share. The first is the reference; all have its size and, but for single frames, its frames.
    Raises MotionError.
    """
    first = shown[0].latents
    for other in shown[1:]:
        like = first[:1] if other.role != SHOWS and len(other.latents) == 1 else first
        if other.latents.shape != like.shape:
            raise OptionError(
                f"a clip's latents have shape {tuple(other.latents.shape)} and the first one's {tuple(first.shape)}; "
                "load all clips with the same frames and size, or single frames that do not show the motion"
            )
    found: list[LearntAdapter] = []

    def work(denoiser: HostDenoiser, clip: Tensor) -> Tensor:
        thaw_conditioning(denoiser.texts)
        with torch.inference_mode(False), thawed(denoiser.base, clip.device):
            references = _collect(denoiser, shown, clip)
            progress = LearningProgress(recipe.descent.steps)
            stop = watch.start(denoiser, references.clips[0].latents, recipe, len(shown)) if watch else None
            found.append(fit_adapter(denoiser, references, recipe, seed, progress, stop))
        return clip

    with torch.inference_mode(False):
        conditionings = [*(each.conditioning for each in shown), *(watch.conditionings if watch else ())]
        run_in_host(model, conditionings, first.clone(), work, learning=True)
    width, height = first.shape[-1] * LATENT_PIXELS, first.shape[-2] * LATENT_PIXELS
    roles = [each.role for each in shown]
    about = {**recipe.describe(), "frames": len(first), "clips": roles.count(SHOWS)}
    if SUBJECT in roles:
        about["subjects"] = roles.count(SUBJECT)
    origin = Origin(width, height, 0.0, "", seed, {**about, **found[0].looks})
    return replace(found[0], adapter=replace(found[0].adapter, origin=origin))


def _collect(denoiser: HostDenoiser, shown: Sequence[Shown], like: Tensor) -> ReferenceSet:
    examples: dict[str, list[Example]] = {SHOWS: [], LACKS: [], SUBJECT: []}
    for number, each in enumerate(shown):
        latents = denoiser.base.process_latent_in(each.latents.clone().to(like)).transpose(0, 1)[None]
        examples[each.role].append(Example(latents, number_of_text(number, like.device)))
    return ReferenceSet(examples[SHOWS], examples[LACKS], examples[SUBJECT])
