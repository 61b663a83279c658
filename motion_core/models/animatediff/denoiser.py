"""How diffusers' `UNetMotionModel` predicts noise. In ComfyUI the host itself predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class MotionUNetDenoiser:
    """A `Denoiser` over a UNet with motion modules that predicts noise. It takes the text once for each frame."""

    module: Any
    schedule: NoiseSchedule

    def predict(self, z: Tensor, t: Tensor, conditions: Sequence[Tensor]) -> Tensor:
        """z: (B, C, N, h, w); t: (B,); conditions: B text features (L, D). Returns the noise in z, in z's dtype."""
        dtype = next(self.module.parameters()).dtype
        text = torch.stack([*conditions]).to(dtype).repeat_interleave(z.shape[2], 0)  # (B * N, L, D)
        return self.module(z.to(dtype), t.to(z.device), encoder_hidden_states=text).sample.to(z.dtype)
