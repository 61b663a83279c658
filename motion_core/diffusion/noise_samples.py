"""The random part of a training step: which clip, which noise, which noise level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from .timesteps import TimestepSampler


@dataclass(frozen=True)
class NoiseSample:
    """What one loss is computed on. clip: its number; t: (1,) timestep; anchor: a frame, for the objectives that need
    one; eps: (1, C, N, h, w) noise on the CPU.
    """

    clip: int
    t: Tensor
    anchor: int
    eps: Tensor


@dataclass(frozen=True)
class NoiseSampler:
    """Draws noise samples from a generator and nothing else. shapes: of the clips, each (1, C, N, h, w)."""

    timesteps: TimestepSampler
    shapes: Sequence[torch.Size]
    generator: Generator

    def draw(self) -> NoiseSample:
        """Draws one sample."""
        count = len(self.shapes)
        clip = int(torch.randint(count, (1,), generator=self.generator)) if count > 1 else 0
        return self._complete(clip, self.timesteps.sample(1, self.generator))

    def draw_stratified(self, count: int) -> list[NoiseSample]:
        """Draws samples whose timesteps lie one in each of `count` equally likely ranges and whose clips take turns.

        A few of them cover the noise levels as evenly as many independent ones.
        """
        shares = (torch.arange(count) + torch.rand(count, generator=self.generator)) / count
        highest = int(self.timesteps.quantile(1.0)) - 1
        timesteps = self.timesteps.quantile(shares).long().clamp(max=highest)
        clips = torch.randperm(count, generator=self.generator) % len(self.shapes)
        return [self._complete(int(clip), t[None]) for clip, t in zip(clips, timesteps, strict=True)]

    def _complete(self, clip: int, t: Tensor) -> NoiseSample:
        shape = self.shapes[clip]
        anchor = int(torch.randint(shape[2], (1,), generator=self.generator))
        return NoiseSample(clip, t, anchor, torch.randn(shape, generator=self.generator))


def move_noise(noise: Tensor, like: Tensor) -> Tensor:
    """Moves noise to the device and precision of another tensor, without waiting for a CUDA GPU."""
    return noise.pin_memory().to(like, non_blocking=True) if like.is_cuda else noise.to(like)
