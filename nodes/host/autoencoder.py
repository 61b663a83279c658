"""The autoencoder of a video model as the host's VAE."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.sd
from torch import Tensor, nn

from ...motion_core.models.zeroscope.loading import ZeroscopeModel


class FirstStage(nn.Module):
    """A diffusers `AutoencoderKL` behind the two calls of the host's VAE; latents are unscaled, as the host's are."""

    def __init__(self, vae: Any):
        super().__init__()
        self.vae = vae

    def encode(self, pixels: Tensor) -> Tensor:
        return self.vae.encode(pixels).latent_dist.mode()

    def decode(self, latents: Tensor, **options: Any) -> Tensor:
        return self.vae.decode(latents).sample


class FramesVAE(comfy.sd.VAE):
    """The host's VAE around it. The host's own constructor only takes the state dicts that it knows the shape of, so it
    is given none: it sets what it always sets, and what comes from the weights is set here.
    """

    def __init__(self, model: ZeroscopeModel):
        with _without_warnings():  # "no VAE weights detected" would be no news and worry people
            super().__init__(sd={})
        self.downscale_ratio = self.upscale_ratio = model.factor
        self.latent_channels = model.vae.config.latent_channels
        self.vae_dtype = model.vae.dtype
        self.working_dtypes = [self.vae_dtype]
        self.first_stage_model = FirstStage(model.vae).eval()
        self.device = comfy.model_management.vae_device()
        self.output_device = comfy.model_management.intermediate_device()
        self.patcher = comfy.model_patcher.ModelPatcher(
            self.first_stage_model,
            load_device=self.device,
            offload_device=comfy.model_management.vae_offload_device(),
        )


@contextmanager
def _without_warnings() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
