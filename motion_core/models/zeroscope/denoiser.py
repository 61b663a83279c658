"""How a `UNet3DConditionModel` predicts noise."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class UNetDenoiser:
    """A `Denoiser` over a UNet that predicts noise, or velocity when `velocity` is set (Salimans and Ho 2022)."""

    module: Any
    schedule: NoiseSchedule
    velocity: bool = False

    def predict(self, z: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """z: (B, C, N, h, w); t: (B,); text: (B, L, D); the noise in z, in z's dtype."""
        dtype = next(self.module.parameters()).dtype
        said = self.module(z.to(dtype), t.to(z.device), encoder_hidden_states=text.to(dtype)).sample.to(z.dtype)
        if not self.velocity:
            return said
        abar = self.schedule.alpha_bar(t, z)
        return abar.sqrt() * said + (1 - abar).sqrt() * z
