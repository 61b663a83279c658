"""Learns a motion on the host's MODEL, and runs the reference backwards to noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ...motion_core.errors import OptionError
from ...motion_core.memory.modes import say as format_bytes
from ...motion_core.motions.embedding import Origin
from ...motion_core.recipes.learn_config import LearnConfig
from ...motion_core.sampling.sample import invert
from ...motion_core.training.train import Learnt, fit
from .progress import LearningProgress, sampling_progress
from .running import HostDenoiser, number_of_text, run_in_host, thaw_conditioning, thawed
from .static_weights import moves_its_weights

LATENT_PIXELS = 8
"""Pixels to a latent pixel, along each side, of every model family that is supported."""


def learn(model: Any, latents: Tensor, conditioning: Any, config: LearnConfig, mask: Tensor | None = None) -> Learnt:
    """The motion of latents (K * N, C, h, w) of a LATENT: config.colourings times N frames. mask: (1 or N, H, W).

    Raises MotionError.
    """
    if len(latents) % config.colourings:
        raise OptionError(
            f"{len(latents)} frames are not {config.colourings} colourings of a clip; "
            "give the number that Recolour Reference Video gives"
        )
    frames = len(latents) // config.colourings
    found: list[Learnt] = []

    def work(denoiser: HostDenoiser, clip: Tensor) -> Tensor:
        thaw_conditioning(denoiser.texts)
        weights = None if mask is None else _shrink(mask.clone(), clip)
        with torch.inference_mode(False), thawed(denoiser.base, clip.device):
            versions = denoiser.base.process_latent_in(latents.clone().to(clip)).unflatten(0, (-1, frames))
            versions = versions.transpose(1, 2)  # (K, C, N, h, w)
            progress = LearningProgress(config.steps)
            text = number_of_text(0)
            found.append(
                fit(
                    denoiser,
                    versions,
                    text,
                    config,
                    progress,
                    weights,
                    progress.validated,
                    find_free=denoiser.find_free,
                )
            )
        return clip

    with torch.inference_mode(False):
        run_in_host(model, [conditioning], latents[:frames].clone(), work, learning=True)
    width, height = latents.shape[-1] * LATENT_PIXELS, latents.shape[-2] * LATENT_PIXELS
    origin = Origin(width, height, 0.0, "", config.seed, config.recipe())
    return replace(found[0], embedding=replace(found[0].embedding, origin=origin))


def describe(learnt: Learnt, model: Any) -> str:
    """What learning on MODEL took, for people."""
    said = [f"{len(learnt.losses)} steps", str(learnt.memory)]
    if moves_its_weights(model):
        said.append(f"learnt on a copy of the model ({format_bytes(model.model_size())}),\nkept as long as the model")
    if learnt.validation:
        step, loss = min(learnt.validation, key=lambda look: look[1])
        said.append(f"best validation loss {loss:.4f}, at step {step}")
    return "\n".join(said)


def invert_to_noise(model: Any, latents: Tensor, conditioning: Any, steps: int) -> Tensor:
    """The unit noise (N, C, h, w) from which sampling in `steps` steps would lead back to latents (N, C, h, w)."""
    found: list[Tensor] = []

    def work(denoiser: HostDenoiser, clip: Tensor) -> Tensor:
        found.append(invert(denoiser, clip, number_of_text(0, clip.device), steps, sampling_progress(steps)))
        return clip

    run_in_host(model, [conditioning], latents, work)
    return found[0][0].transpose(0, 1).cpu()


def _shrink(mask: Tensor, clip: Tensor) -> Tensor:
    """(1 or N, H, W) to (N, h, w) of a clip (1, C, N, h, w)."""
    frames, size = clip.shape[2], tuple(clip.shape[3:])
    small = functional.interpolate(mask[:, None].float(), size=size, mode="area")[:, 0]
    return (small.expand(frames, -1, -1) if len(small) == 1 else small).to(clip.device)
