"""What the core asks of a model: its prediction, and nothing else. A host implements its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from .schedule import Schedule

Condition = Any
"""What one clip is generated under. The core hands it on and never looks into it: text features (L, D) where a model
is loaded by the core, the host's own conditioning in ComfyUI.
"""


class Denoiser(Protocol):
    """A video diffusion model. module: holds the attention sites; schedule: the one that it was trained on."""

    @property
    def module(self) -> nn.Module: ...

    @property
    def schedule(self) -> Schedule: ...

    def predict(self, z: Tensor, t: Tensor, conditions: Sequence[Condition]) -> Tensor:
        """Predicts what the schedule says for z (B, C, N, h, w), in its shape and dtype: noise or velocity.

        t: (B,) noise levels, on the CPU where no one should wait for a GPU; conditions: one for each of the B clips.
        """
        ...
