"""How a `UNet3DConditionModel` predicts noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class UNetDenoiser:
    """A `Denoiser` over a UNet that predicts noise, or velocity when `velocity` is set (Salimans and Ho 2022)."""

    module: Any
    schedule: NoiseSchedule
    velocity: bool = False

    def predict(self, z: Tensor, t: Tensor, conditions: Sequence[Tensor]) -> Tensor:
        """z: (B, C, N, h, w); t: (B,); conditions: B text features (L, D). Returns the noise in z, in z's dtype."""
        dtype = next(self.module.parameters()).dtype
        text = torch.stack([*conditions]).to(dtype)
        output = self.module(z.to(dtype), t.to(z.device), encoder_hidden_states=text).sample.to(z.dtype)
        return self.schedule.velocity_to_noise(z, output, t) if self.velocity else output
