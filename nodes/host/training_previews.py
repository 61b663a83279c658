"""Previews of a motion while it is trained, sampled on the very model inside the host's own sampling."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import comfy.model_management
import latent_preview
import torch
from torch import Tensor

from ...motion_core.errors import OptionError, first_line
from ...motion_core.hooks.applied import AppliedMotion
from ...motion_core.motions.motion import Motion
from ...motion_core.sampling.sample import sample
from ...motion_core.training.previews import Previews
from ...motion_core.video.pictures.pixels import from_image
from .conditioning import Conditioning, without_text
from .denoiser import HostDenoiser
from .latents import count_frames, frame_at, is_video, to_host

logger = logging.getLogger(__name__)

STEPS, CFG, SEED = 8, 3.0, 0
"""Of the sampling of a preview."""


@dataclass(frozen=True)
class TrainingPreviews:
    """How often the motion is shown, and on what, as the sockets carry it. vae: None for rough colours of latents."""

    every: int
    positive: Any
    vae: Any = None

    @property
    def conditionings(self) -> list[Any]:
        """In the order in which `start` takes them."""
        return [self.positive, without_text(self.positive)]

    def start(
        self,
        denoiser: HostDenoiser,
        like: Tensor,
        conditions: Sequence[Conditioning],
        show: Callable[[Tensor, int], None],
    ) -> Previews:
        """Makes an observer of training. Its previews are as large as `like` (1, C, N, h, w).

        show: gets the frames (N, H, W, 3) and the step. A preview that fails is logged, and training goes on.
        """
        noise = torch.randn(like.shape, generator=torch.Generator().manual_seed(SEED)).to(like)

        def make(motion: Motion, step: int) -> None:
            try:
                show(self._make_frames(denoiser, noise, conditions, motion), step)
            except comfy.model_management.InterruptProcessingException:  # an Exception in older hosts
                raise
            except Exception as reason:  # whatever the host raises: training is worth more than its previews
                logger.warning("there is no preview at step %d: %s", step, first_line(reason))

        return Previews(self.every, make)

    def _make_frames(
        self, denoiser: HostDenoiser, noise: Tensor, conditions: Sequence[Conditioning], motion: Motion
    ) -> Tensor:
        positive, negative = conditions
        latents = sample(
            denoiser,
            noise,
            [positive],
            negative,
            motions=[AppliedMotion.of(motion)],
            steps=STEPS,
            scale=CFG,
            apart=True,
        )
        latents = to_host(latents, denoiser.like)
        if self.vae is None:
            return draw_latents(latents, denoiser.base.latent_format)
        try:
            return _decode(self.vae, denoiser.base.process_latent_out(latents))
        finally:
            denoiser.take_memory_back()


def draw_latents(latents: Tensor, latent_format: Any) -> Tensor:
    """Draws latents, scaled as the model takes them, as the host's own previews do: frames (N, H, W, 3).

    Raises OptionError where the host knows no way for this kind of latents.
    """
    previewer = latent_preview.get_previewer(latents.device, latent_format) or _previewer_of_colours(latent_format)
    if previewer is None:
        raise OptionError("the host knows no colours for latents of this kind; connect the VAE to the training node")
    frames = (frame_at(latents, number) for number in range(count_frames(latents)))
    return torch.stack([from_image(previewer.decode_latent_to_preview(frame)) for frame in frames])


def _previewer_of_colours(latent_format: Any) -> Any:
    """What the host draws with if its previews are not off."""
    factors = latent_format.latent_rgb_factors
    if factors is None:
        return None
    bias = getattr(latent_format, "latent_rgb_factors_bias", None)
    reshape = getattr(latent_format, "latent_rgb_factors_reshape", None)
    return latent_preview.Latent2RGBPreviewer(factors, bias, *([reshape] if reshape else []))


@torch.inference_mode()
def _decode(vae: Any, latents: Tensor) -> Tensor:
    images = vae.decode(latents)[..., :3]
    return (images.flatten(0, 1) if is_video(images) else images).float().cpu()
