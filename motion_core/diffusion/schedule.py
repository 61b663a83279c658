"""What a schedule is, and that of a diffusion model with DDIM's deterministic step along it in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from ..device import moved_like
from ..errors import ModelError, OptionError


class Schedule(Protocol):
    """How a clean sample becomes noise, and what a model predicts on the way.

    A noise level is in the schedule's own unit: a timestep of diffusion, a sigma of flow matching. clean: that of a
    clean sample; steps: how many timesteps it was trained at.
    """

    clean: ClassVar[float]

    @property
    def steps(self) -> int: ...

    def level_at(self, timestep: Tensor) -> Tensor:
        """The noise levels (B,) at whole timesteps (B,) of 0 to steps - 1, as timestep samplers give them."""
        ...

    def levels(self, count: int) -> Sequence[float]:
        """The noise levels of a sampling in `count` steps, noisiest first. Raises OptionError."""
        ...

    def add_noise(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """The sample x0 (B, ...) with noise at levels t, one or (B,)."""
        ...

    def target(self, x0: Tensor, eps: Tensor) -> Tensor:
        """What the model is trained to predict."""
        ...

    def error_alpha_bar(self, t: Tensor) -> Tensor:
        """alpha_bar such that a prediction's error times sqrt((1 - alpha_bar) / alpha_bar) is the clean sample's."""
        ...

    def step(self, z: Tensor, predicted: Tensor, t: Tensor | float, t_next: Tensor | float) -> Tensor:
        """From one noise level to another, which may lie on either side."""
        ...


@dataclass(frozen=True)
class NoiseSchedule:
    """alpha_bars: (steps,) float64, the share of signal (squared) left at each timestep, 0-based."""

    alpha_bars: Tensor
    clean: ClassVar[float] = -1

    @classmethod
    def scaled_linear(cls, start: float = 0.00085, end: float = 0.012, steps: int = 1000) -> NoiseSchedule:
        """Betas whose square roots are evenly spaced (Stable Diffusion, ZeroScope, ModelScope, AnimateDiff)."""
        if not 0 < start < end < 1 or steps < 2:
            raise OptionError(
                f"a schedule from {start} to {end} in {steps} steps is none; use 0 < start < end < 1 and at least 2"
            )
        betas = torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
        return cls(torch.cumprod(1 - betas, 0))

    @property
    def steps(self) -> int:
        return len(self.alpha_bars)

    def level_at(self, timestep: Tensor) -> Tensor:
        """The timesteps themselves."""
        return timestep

    def levels(self, count: int) -> list[int]:
        """`count` evenly spaced timesteps, noisiest first, one above the multiples (diffusers' leading spacing,
        offset 1, as the families' checkpoints are configured). Raises OptionError.
        """
        if not 1 <= count <= self.steps - 1:
            raise OptionError(f"steps is {count}; choose 1 to {self.steps - 1} (20 to 50 are usual)")
        stride = self.steps // count
        return [number * stride + 1 for number in reversed(range(count))]

    def alpha_bar(self, t: Tensor | float, like: Tensor) -> Tensor:
        """alpha_bar at timestep t, shaped to scale `like`; t before the first timestep means the first."""
        t = torch.as_tensor(t, device="cpu").clamp(min=0)
        value = moved_like(self.alpha_bars[t], like)
        return value.reshape(-1, *[1] * (like.ndim - 1)) if value.ndim else value

    def add_noise(self, x0: Tensor, eps: Tensor, t: Tensor | float) -> Tensor:
        """z_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps. x0, eps: (B, ...); t: one timestep or (B,)."""
        abar = self.alpha_bar(t, x0)
        return abar.sqrt() * x0 + (1 - abar).sqrt() * eps

    def target(self, x0: Tensor, eps: Tensor) -> Tensor:
        """The noise."""
        return eps

    def error_alpha_bar(self, t: Tensor) -> Tensor:
        """alpha_bar: an error of the noise is one of the clean sample times sqrt((1 - alpha_bar) / alpha_bar)."""
        return self.alpha_bars[t]

    def add_more_noise(self, z: Tensor, eps: Tensor, t: float, t_next: float) -> Tensor:
        """From timestep t to the noisier t_next by the forward process, q(z_next | z) (Ho et al. 2020, eq. 2)."""
        kept = self.alpha_bar(t_next, z) / self.alpha_bar(t, z)
        return kept.sqrt() * z + (1 - kept).sqrt() * eps

    def predict_x0(self, z: Tensor, eps: Tensor, t: Tensor | float) -> Tensor:
        """The clean sample that z_t and its noise imply."""
        abar = self.alpha_bar(t, z)
        return (z - (1 - abar).sqrt() * eps) / abar.sqrt()

    def velocity_to_noise(self, z: Tensor, velocity: Tensor, t: Tensor | float) -> Tensor:
        """The noise in z_t that a predicted velocity implies (Salimans and Ho 2022)."""
        abar = self.alpha_bar(t, z)
        return abar.sqrt() * velocity + (1 - abar).sqrt() * z

    def step(self, z: Tensor, eps: Tensor, t: Tensor | float, t_prev: Tensor | float) -> Tensor:
        """DDIM with eta 0 (Song et al. 2021, eq. 12), from timestep t to t_prev, which may lie on either side."""
        abar = self.alpha_bar(t_prev, z)
        return abar.sqrt() * self.predict_x0(z, eps, t) + (1 - abar).sqrt() * eps


def require_diffusion(schedule: Schedule) -> NoiseSchedule:
    """Returns the schedule of a model that predicts noise. Raises ModelError for another."""
    if not isinstance(schedule, NoiseSchedule):
        raise ModelError("this guidance is for models that predict noise, and this is a flow; learn a motion instead")
    return schedule
