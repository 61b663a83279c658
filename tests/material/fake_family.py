"""A third family that exists in the tests alone: a small model whose code shares nothing with diffusers or ComfyUI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from motion_core.diffusion.schedule import NoiseSchedule
from motion_core.errors import ModelError
from motion_core.models.family import Family
from motion_core.models.layers import Layer
from motion_core.models.sites import AttentionSite
from motion_core.models.token_layout import TemporalTokens

CHANNELS, LATENT_CHANNELS, HEADS = 8, 4, 2
KINDS = {"query": "self_q", "key": "self_k", "value": "self_v", "out": "self_out"}


class TimeAttention(nn.Module):
    """Self-attention of each place along the frames. Its layers have names of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(CHANNELS, CHANNELS) for _ in range(4))

    def forward(self, frames: Tensor, count: int) -> Tensor:
        """frames: (B*N, C, h, w); count: N."""
        height, width = frames.shape[-2:]
        tokens = rearrange(frames, "(b n) c h w -> (b h w) n c", n=count)
        q, k, v = (
            rearrange(layer(tokens), "p n (heads d) -> p heads n d", heads=HEADS)
            for layer in (self.query, self.key, self.value)
        )
        attended = rearrange(functional.scaled_dot_product_attention(q, k, v), "p heads n d -> p n (heads d)")
        return rearrange(tokens + self.out(attended), "(b h w) n c -> (b n) c h w", h=height, w=width)


class FakeModel(nn.Module):
    """Two time attentions between two layers within frames. The condition is added to every place."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(LATENT_CHANNELS, CHANNELS, 3, padding=1)
        self.along_time = nn.ModuleList(TimeAttention() for _ in range(2))
        self.leave = nn.Conv2d(CHANNELS, LATENT_CHANNELS, 3, padding=1)

    def forward(self, z: Tensor, shifts: Tensor) -> Tensor:
        """z: (B, C, N, h, w); shifts: (B,)."""
        frames = self.enter(rearrange(z + shifts.view(-1, 1, 1, 1, 1), "b c n h w -> (b n) c h w"))
        for attention in self.along_time:
            frames = attention(frames, z.shape[2])
        return rearrange(self.leave(frames), "(b n) c h w -> b c n h w", n=z.shape[2])


@dataclass(frozen=True)
class FakeDenoiser:
    """A condition is a word: the core must hand it on as it is."""

    module: FakeModel
    schedule: NoiseSchedule

    def predict(self, z: Tensor, t: Tensor, conditions: Sequence[str]) -> Tensor:
        """z: (B, C, N, h, w); t: (B,); conditions: B words. Returns the noise in z."""
        return self.module(z, torch.tensor([len(word) / 10 for word in conditions]))


def list_sites(module: nn.Module) -> list[AttentionSite]:
    """Lists the time attentions, in order; none for another module."""
    if not isinstance(module, FakeModel):
        return []
    return [
        AttentionSite(
            f"along_time.{number}", part.query, part.key, part.value, CHANNELS, part.out, HEADS, TemporalTokens(part)
        )
        for number, part in enumerate(_parts(module))
    ]


def list_layers(module: nn.Module) -> list[Layer]:
    """Lists the linear layers of the time attentions."""
    return [
        Layer(f"along_time.{number}.{name}", getattr(part, name), kind, temporal=True)
        for number, part in enumerate(_parts(module))
        for name, kind in KINDS.items()
    ]


def list_cross_attentions(module: nn.Module) -> list[AttentionSite]:
    """Returns none: the model has no attention to the text."""
    return []


def group_by_level(module: nn.Module) -> dict[int, list[nn.Module]]:
    """Returns the time attentions at the only level."""
    return {0: [*_parts(module)]}


def find_features(module: nn.Module, block: str) -> dict[str, nn.Module]:
    """Raises ModelError: DMT has no features here."""
    raise ModelError(f"this model has no features in {block!r}")


def _parts(module: nn.Module) -> Any:
    return module.along_time


FAKE = Family("fake", list_sites, list_layers, list_cross_attentions, group_by_level, find_features)


def build_fake() -> FakeDenoiser:
    """Builds the model with seeded weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FakeDenoiser(FakeModel().eval(), NoiseSchedule.scaled_linear())
