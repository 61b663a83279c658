"""How diffusers' `UNetMotionModel` predicts noise. (In ComfyUI the host itself predicts.)"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class MotionUNetDenoiser:
    """A `Denoiser` over a UNet with motion modules that predicts noise; it takes the text once for each frame."""

    module: Any
    schedule: NoiseSchedule

    def predict(self, z: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """z: (B, C, N, h, w); t: (B,); text: (B, L, D); the noise in z, in z's dtype."""
        dtype = next(self.module.parameters()).dtype
        words = text.to(dtype).repeat_interleave(z.shape[2], 0)  # (B * N, L, D)
        return self.module(z.to(dtype), t.to(z.device), encoder_hidden_states=words).sample.to(z.dtype)
