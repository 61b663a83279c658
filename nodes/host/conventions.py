"""How the host scales noisy latents, and what its model's output means in the core's terms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import comfy.model_base
import comfy.model_sampling
import torch
from torch import Tensor

from ...motion_core.device import moved_like
from ...motion_core.diffusion.flow_schedule import FlowSchedule
from ...motion_core.diffusion.schedule import NoiseSchedule, Schedule
from ...motion_core.errors import ModelError


class Convention(Protocol):
    """schedule: the core's, of the model."""

    @property
    def schedule(self) -> Schedule: ...

    def sigma(self, t: Tensor) -> Tensor:
        """The host's sigma (1,) at a noise level (1,) of the schedule."""
        ...

    def level(self, sigma: float) -> float:
        """The noise level of the schedule at the host's sigma."""
        ...

    def growth(self, sigma: float) -> float:
        """How much larger the host's noisy latents are than the core's."""
        ...

    def noise_scale(self, level: float) -> float:
        """What unit noise is multiplied with where a sampling starts at a level without adding noise."""
        ...

    def scaled(self, latents: Tensor, t: Tensor) -> Tensor:
        """Noisy latents of the core as the host's samplers have them."""
        ...

    def prediction(self, output: Tensor, z: Tensor, t: Tensor) -> Tensor | None:
        """What the schedule says is predicted, of the model's own output for z; None where its meaning is not known."""
        ...

    def prediction_of_clean(self, scaled: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        """The same of the clean sample that the host computed for scaled latents."""
        ...


@dataclass(frozen=True)
class DiffusionConvention:
    """The host works on z / sqrt(alpha_bar) = x0 + sigma eps. kind: what the model predicts."""

    schedule: NoiseSchedule
    kind: Any

    def sigma(self, t: Tensor) -> Tensor:
        abar = self.schedule.alpha_bars[t.cpu()]
        return ((1 - abar) / abar).sqrt()

    def level(self, sigma: float) -> float:
        if sigma == 0:
            return self.schedule.clean
        abar = self.schedule.alpha_bars
        return int((((1 - abar) / abar).sqrt().log() - math.log(sigma)).abs().argmin())

    def growth(self, sigma: float) -> float:
        return math.sqrt(1 + sigma**2)

    def noise_scale(self, level: float) -> float:
        return math.sqrt(1 + float(self.sigma(torch.tensor(level))) ** 2)

    def scaled(self, latents: Tensor, t: Tensor) -> Tensor:
        return latents / self.schedule.alpha_bar(t, latents).flatten().sqrt()

    def prediction(self, output: Tensor, z: Tensor, t: Tensor) -> Tensor | None:
        if self.kind == comfy.model_base.ModelType.V_PREDICTION:
            return self.schedule.velocity_to_noise(z, output, t)
        return output if self.kind == comfy.model_base.ModelType.EPS else None

    def prediction_of_clean(self, scaled: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        return (scaled - x0) / moved_like(self.sigma(t), scaled)


@dataclass(frozen=True)
class FlowConvention:
    """The host works on z itself, and its model predicts velocity."""

    schedule: FlowSchedule

    def sigma(self, t: Tensor) -> Tensor:
        return t

    def level(self, sigma: float) -> float:
        return sigma

    def growth(self, sigma: float) -> float:
        return 1.0

    def noise_scale(self, level: float) -> float:
        return 1.0

    def scaled(self, latents: Tensor, t: Tensor) -> Tensor:
        return latents

    def prediction(self, output: Tensor, z: Tensor, t: Tensor) -> Tensor | None:
        return output

    def prediction_of_clean(self, scaled: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        return (scaled - x0) / moved_like(t, scaled).clamp(min=torch.finfo(torch.float32).eps)


def find_convention(model_sampling: Any, kind: Any = comfy.model_base.ModelType.EPS) -> Convention:
    """Finds that of a MODEL. Raises ModelError for one that neither diffuses nor flows."""
    if isinstance(model_sampling, comfy.model_sampling.CONST) and hasattr(model_sampling, "shift"):
        shift = float(model_sampling.shift)
        logarithmic = isinstance(model_sampling, comfy.model_sampling.ModelSamplingFlux)
        return FlowConvention(FlowSchedule(math.exp(shift) if logarithmic else shift))
    if not hasattr(model_sampling, "sigmas") or not hasattr(model_sampling, "sigma_data"):
        raise ModelError("this model has no noise schedule that we know; load Wan, AnimateDiff, ZeroScope or like")
    exact = getattr(model_sampling, "alpha_bars", None)
    rounded = 1 / (model_sampling.sigmas.cpu().double().square() + 1)
    return DiffusionConvention(NoiseSchedule(rounded if exact is None else exact), kind)
