"""The autoencoder of a video model as the host's VAE."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.sd
import torch
from torch import Tensor, nn

from ...motion_core.backbones.zeroscope.loading import VideoModel

_BYTES_TO_ENCODE, _BYTES_TO_DECODE = 1767, 2178
"""Elements of memory for a pixel, as the host counts them for Stable Diffusion's autoencoder."""


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
    """The host's VAE around it. The host's own constructor only takes the state dicts that it knows the shape of."""

    def __init__(self, model: VideoModel):
        size = model.factor
        element = torch.empty(0, dtype=model.vae.dtype).element_size()
        self.memory_used_encode = lambda shape, dtype: _BYTES_TO_ENCODE * shape[2] * shape[3] * element
        self.memory_used_decode = lambda shape, dtype: _BYTES_TO_DECODE * shape[2] * shape[3] * size**2 * element
        self.downscale_ratio = self.upscale_ratio = size
        self.latent_channels = model.vae.config.latent_channels
        self.latent_dim = 2
        self.output_channels = 3
        self.pad_channel_value = None
        self.process_input = lambda image: image * 2 - 1
        self.process_output = lambda image: (image / 2 + 0.5).clamp(0, 1)
        self.working_dtypes = [model.vae.dtype]
        self.disable_offload = False
        self.not_video = False
        self.size = None
        self.downscale_index_formula = self.upscale_index_formula = self.extra_1d_channel = None
        self.crop_input = True
        self.first_stage_model = FirstStage(model.vae).eval()
        self.device = comfy.model_management.vae_device()
        self.vae_dtype = model.vae.dtype
        self.output_device = comfy.model_management.intermediate_device()
        self.patcher = comfy.model_patcher.ModelPatcher(
            self.first_stage_model,
            load_device=self.device,
            offload_device=comfy.model_management.vae_offload_device(),
        )
