"""How diffusers' `WanTransformer3DModel` predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...diffusion.flow_schedule import FlowSchedule


@dataclass(frozen=True)
class WanCondition:
    """text: features (L, D). image: (20, N, h, w), a mask and an encoded first frame, for a model that takes one."""

    text: Tensor
    image: Tensor | None = None


@dataclass(frozen=True)
class WanDenoiser:
    """A `Denoiser` over a transformer that predicts velocity."""

    module: Any
    schedule: FlowSchedule

    def predict(self, z: Tensor, t: Tensor, conditions: Sequence[WanCondition]) -> Tensor:
        """z: (B, C, N, h, w); t: (B,) sigmas. Returns the velocity in z's dtype."""
        dtype = next(self.module.parameters()).dtype
        inputs = torch.cat([z, self._stack_images(z, conditions)], 1).to(dtype)
        text = torch.stack([condition.text for condition in conditions]).to(dtype)
        return self.module(inputs, 1000 * t.float().to(z.device), text).sample.to(z.dtype)

    def _stack_images(self, z: Tensor, conditions: Sequence[WanCondition]) -> Tensor:
        """(B, further channels, N, h, w): zeros where there is no image."""
        further = self.module.config.in_channels - z.shape[1]
        empty = z.new_zeros(further, *z.shape[2:])
        return torch.stack([empty if each.image is None else each.image.to(z) for each in conditions])
