"""The schedule of a flow-matching model (Lipman et al. 2023; Wan, LTX, HunyuanVideo): straight lines to noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..device import moved_like, widest_dtype
from ..errors import OptionError


@dataclass(frozen=True)
class FlowSchedule:
    """z_sigma = (1 - sigma) x0 + sigma eps, for sigma of 0 (clean) to 1 (noise). The model predicts eps - x0.

    shift: moves the noise levels of sampling and training towards noise, sigma = shift u / (1 + (shift - 1) u) for an
    even u (Esser et al. 2024, eq. 23). Raises OptionError unless it is above 0.
    """

    shift: float = 1.0
    steps: int = 1000
    clean: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.shift < float("inf"):
            raise OptionError(f"shift is {self.shift}; use a number above 0 (1 is none, 3 to 8 are usual)")

    def sigma(self, u: Tensor | float) -> Tensor:
        """The noise level at a share u of the way to noise, 0..1. float64."""
        u = torch.as_tensor(u, dtype=torch.float64)
        return self.shift * u / (1 + (self.shift - 1) * u)

    def level_at(self, timestep: Tensor) -> Tensor:
        """sigma of timesteps 0 to steps - 1; the last one is pure noise."""
        return self.sigma((timestep + 1) / self.steps)

    def levels(self, count: int) -> list[float]:
        """`count` sigmas of a sampling, noisiest first, without the 0 at its end. Raises OptionError."""
        if not 1 <= count <= self.steps:
            raise OptionError(f"steps is {count}; choose 1 to {self.steps} (20 to 50 are usual, 4 to 8 if distilled)")
        return self.sigma(torch.arange(count, 0, -1) / count).tolist()

    def add_noise(self, x0: Tensor, eps: Tensor, sigma: Tensor | float) -> Tensor:
        """(1 - sigma) x0 + sigma eps. x0, eps: (B, ...); sigma: one or (B,)."""
        level = _shaped(sigma, x0)
        return (1 - level) * x0 + level * eps

    def target(self, x0: Tensor, eps: Tensor) -> Tensor:
        """The velocity dz/dsigma = eps - x0, which the model predicts."""
        return eps - x0

    def error_alpha_bar(self, t: Tensor) -> Tensor:
        """1 / (1 + sigma^2): an error of the velocity is one of the clean sample times sigma."""
        return 1 / (1 + t.to(widest_dtype(t.device)).square())

    def predict_x0(self, z: Tensor, velocity: Tensor, sigma: Tensor | float) -> Tensor:
        """The clean sample that z and its velocity imply."""
        return z - _shaped(sigma, z) * velocity

    def step(self, z: Tensor, velocity: Tensor, sigma: Tensor | float, sigma_next: Tensor | float) -> Tensor:
        """Euler's step to another noise level, which may lie on either side."""
        return z + (_shaped(sigma_next, z) - _shaped(sigma, z)) * velocity


def _shaped(sigma: Tensor | float, like: Tensor) -> Tensor:
    """sigma, shaped to scale `like`."""
    wide = widest_dtype(sigma.device) if isinstance(sigma, Tensor) else torch.float64
    value = moved_like(torch.as_tensor(sigma, dtype=wide), like)
    return value.reshape(-1, *[1] * (like.ndim - 1)) if value.ndim else value
