"""How diffusers' `LTXVideoTransformer3DModel` predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from ...diffusion.flow_schedule import FlowSchedule


@dataclass(frozen=True)
class LtxDenoiser:
    """A `Denoiser` over a transformer that predicts velocity. A condition is the text's features (L, D)."""

    module: Any
    schedule: FlowSchedule

    def predict(self, z: Tensor, t: Tensor, conditions: Sequence[Tensor]) -> Tensor:
        """z: (B, C, N, h, w); t: (B,) sigmas. Returns the velocity in z's dtype."""
        dtype = next(self.module.parameters()).dtype
        frames, h, w = z.shape[2:]
        text = torch.stack(list(conditions)).to(dtype)
        predicted = self.module(
            rearrange(z, "b c n h w -> b (n h w) c").to(dtype),
            text,
            1000 * t.float().to(z.device)[:, None],
            torch.ones(text.shape[:2], device=text.device),
            num_frames=frames,
            height=h,
            width=w,
        ).sample
        return rearrange(predicted, "b (n h w) c -> b c n h w", n=frames, h=h).to(z.dtype)
