"""The models that the benchmarks train on, with random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from motion_core.diffusion.denoiser import Denoiser
from motion_core.diffusion.flow_schedule import FlowSchedule
from motion_core.diffusion.schedule import NoiseSchedule
from motion_core.models.animatediff.denoiser import MotionUNetDenoiser
from motion_core.models.wan.denoiser import WanCondition, WanDenoiser
from motion_core.models.zeroscope.denoiser import UNetDenoiser


@dataclass(frozen=True)
class Case:
    """A model with the text encoder that the official code runs in each step, and the clip's latents.

    as_condition: makes the model's condition of features (L, D). official: whether there is code of the paper's for it.
    """

    name: str
    denoiser: Denoiser
    encoder: nn.Module
    latents: Tensor
    words: Tensor
    as_condition: Callable[[Tensor], Any] = lambda text: text
    official: bool = True

    @property
    def module(self) -> nn.Module:
        return self.denoiser.module


def build_zeroscope(
    device: torch.device, dtype: torch.dtype, *, divisor: int, frames: int, height: int, width: int
) -> Case:
    """Builds ZeroScope's UNet with its channels divided. height, width: of the latents."""
    from diffusers import UNet3DConditionModel

    channels, words = tuple(number // divisor for number in (320, 640, 1280, 1280)), 64 * max(1, 16 // divisor)
    unet = UNet3DConditionModel(
        block_out_channels=channels, cross_attention_dim=words, attention_head_dim=64 // min(divisor, 2)
    )
    denoiser = UNetDenoiser(unet.to(device, dtype).eval(), NoiseSchedule.scaled_linear())
    return _make_case("ZeroScope", denoiser, words=words, depth=23, size=(frames, height, width))


def build_animatediff(device: torch.device, dtype: torch.dtype, *, frames: int, height: int, width: int) -> Case:
    """Builds SD 1.5 with motion modules. Numbers that are not given are the class's own."""
    from diffusers import UNetMotionModel

    unet = UNetMotionModel(sample_size=64, cross_attention_dim=768, use_motion_mid_block=False)
    denoiser = MotionUNetDenoiser(unet.to(device, dtype).eval(), NoiseSchedule.scaled_linear())
    return _make_case("AnimateDiff", denoiser, words=768, depth=12, size=(frames, height, width))


WANS = {"1.3B": (1536, 8960, 30), "14B": (5120, 13824, 40)}
"""Size -> width, width of the feed-forward layers, blocks."""


def build_wan(
    size: str,
    device: torch.device,
    dtype: torch.dtype,
    *,
    frames: int,
    height: int,
    width: int,
) -> Case:
    """Builds Wan 2.1's text-to-video transformer. height, width: of the latents."""
    from diffusers import WanTransformer3DModel

    channels, hidden, depth = WANS[size]
    transformer: Any = WanTransformer3DModel(
        num_attention_heads=channels // 128, attention_head_dim=128, ffn_dim=hidden, num_layers=depth
    )
    denoiser = WanDenoiser(transformer.to(device, dtype).eval(), FlowSchedule(8.0))
    latents = torch.randn(1, 16, frames, height, width, device=device)
    words = torch.randn(1, 512, 4096, device=device).to(dtype)
    return Case(f"Wan 2.1 {size}", denoiser, nn.Identity(), latents, words, WanCondition, official=False)


def _make_case(name: str, denoiser: Any, *, words: int, depth: int, size: tuple[int, int, int]) -> Case:
    for parameter in denoiser.module.parameters():
        if parameter.ndim > 1 and not parameter.is_meta and not parameter.any():
            nn.init.normal_(parameter, std=0.02)  # zeros would cut off the gradient of everything before them
    like = next(denoiser.module.parameters())
    layer = nn.TransformerEncoderLayer(words, words // 64 or 1, 4 * words, batch_first=True, activation="gelu")
    encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False).to(like).eval()
    latents = torch.randn(1, 4, *size, device=like.device)
    return Case(name, denoiser, encoder, latents, torch.randn(1, 77, words, device=like.device).to(like.dtype))
