"""How the parameters of a motion are optimized."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import OptionError
from ..options import option


@dataclass(frozen=True)
class OptimizerSettings:
    """AdamW. clip_norm: the largest norm of a gradient, 0 for any; steady: see `motion_core.training.averaging`.

    Raises OptionError.
    """

    steps: int = option(400, minimum=1, maximum=100_000, about="Training steps.", metavar="N")
    learning_rate: float = option(
        2e-2, minimum=1e-7, maximum=10.0, step=0.0001, about="Learning rate of AdamW.", metavar="X"
    )
    weight_decay: float = 1e-2
    clip_norm: float = 0.0
    steady: bool = option(
        False,
        about="Clips each gradient to the median norm of the last ones and keeps an average of the weights, so that a "
        "high learning rate gets far in few steps.",
    )

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 100_000:
            raise OptionError(f"steps is {self.steps}; choose 1 to 100000 (400 is usual)")
        if not (math.isfinite(self.learning_rate) and 0 < self.learning_rate <= 10):
            raise OptionError(f"learning_rate is {self.learning_rate}; choose above 0 and up to 10 (0.02 is usual)")
        for name in ("weight_decay", "clip_norm"):
            if not 0 <= getattr(self, name) < math.inf:
                raise OptionError(f"{name} is {getattr(self, name)}; choose 0 or more")

    def __str__(self) -> str:
        clipped = f", gradient clipped at {self.clip_norm:g}" if self.clip_norm else ""
        steady = ", gradients clipped at their median norm, weights averaged" if self.steady else ""
        return f"AdamW, betas 0.9 and 0.999, eps 1e-8, weight decay {self.weight_decay:g}{clipped}{steady}"

    def make_optimizer(self, parameters: Sequence[Tensor]) -> torch.optim.AdamW:
        """Makes the optimizer of these parameters."""
        return torch.optim.AdamW(
            parameters,
            lr=self.learning_rate,
            betas=(0.9, 0.999),
            eps=1e-8,
            weight_decay=self.weight_decay,
            fused=parameters[0].is_cuda or None,  # a fused one does not make GradScaler wait for the GPU
        )
