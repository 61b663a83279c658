"""The random part of learning: which version of the clip a step sees, under which noise, at which noise level."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from .timesteps import TimestepSampler


@dataclass(frozen=True)
class Draw:
    """What one step sees. version: of the clip; t: (1,) timestep; anchor: a frame for objectives that need one; eps:
    (1, C, N, h, w) noise on the CPU; number: of its place in a pool, or None.
    """

    version: int
    t: Tensor
    anchor: int
    eps: Tensor
    number: int | None = None


@dataclass(frozen=True)
class Draws:
    """Draws from a seed alone. versions: how many there are; shape: (1, C, N, h, w)."""

    timesteps: TimestepSampler
    versions: int
    shape: torch.Size
    generator: Generator

    def draw(self) -> Draw:
        version = int(torch.randint(self.versions, (1,), generator=self.generator)) if self.versions > 1 else 0
        t = self.timesteps.sample(1, self.generator)
        anchor = int(torch.randint(self.shape[2], (1,), generator=self.generator))
        return Draw(version, t, anchor, torch.randn(self.shape, generator=self.generator))

    def draw_spread(self, count: int) -> list[Draw]:
        """So many draws whose timesteps lie one in each of as many equally likely ranges, and whose versions take
        turns: few of them are spread as many would be.
        """
        shares = (torch.arange(count) + torch.rand(count, generator=self.generator)) / count
        highest = int(self.timesteps.quantile(1.0)) - 1
        timesteps = self.timesteps.quantile(shares).long().clamp(max=highest)
        versions = torch.randperm(count, generator=self.generator) % self.versions
        return [
            Draw(
                int(version),
                t[None],
                int(torch.randint(self.shape[2], (1,), generator=self.generator)),
                torch.randn(self.shape, generator=self.generator),
                number,
            )
            for number, (version, t) in enumerate(zip(versions, timesteps, strict=True))
        ]


def send(noise: Tensor, like: Tensor) -> Tensor:
    """Noise to the device and precision of another tensor; a GPU fetches it when it gets there, and nobody waits."""
    return (noise.pin_memory() if like.is_cuda else noise).to(like, non_blocking=True)
