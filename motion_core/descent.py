"""Goes downhill: the part of learning that is the same whatever is learnt."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import MotionError, OptionError

Callback = Callable[[int, float], bool | None]
"""Called after each step with its number (from 1) and loss; True ends learning and keeps what was learnt."""
Losses = Iterable[tuple[Tensor, Sequence[Tensor]]]
"""The losses of one step, each with the tensors that it is to change; the next is made when the last is done with."""


@dataclass(frozen=True)
class Descent:
    """AdamW. steps: how many; clip_norm: the longest gradient (0: any). Raises OptionError."""

    steps: int = 400
    learning_rate: float = 2e-2
    weight_decay: float = 1e-2
    clip_norm: float = 0.0

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
        return f"AdamW, betas 0.9 and 0.999, eps 1e-8, weight decay {self.weight_decay:g}{clipped}"

    def follow(
        self, parameters: Sequence[Tensor], draw: Callable[[], Losses], half: bool, callback: Callback | None = None
    ) -> list[float]:
        """Take the steps; gives the loss of each. half: whether the model is in fp16, where gradients vanish unscaled.

        Raises MotionError when a loss is not finite.
        """
        for parameter in parameters:
            parameter.requires_grad_()
        optimiser = torch.optim.AdamW(
            parameters, lr=self.learning_rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=self.weight_decay
        )
        scaler = torch.amp.GradScaler(parameters[0].device.type, enabled=half)
        losses: list[float] = []
        for step in range(1, self.steps + 1):
            optimiser.zero_grad(set_to_none=True)
            losses.append(0.0)
            for loss, changed in draw():
                losses[-1] += loss.item()
                if not math.isfinite(losses[-1]):
                    raise MotionError(f"the loss at step {step} is {losses[-1]}; choose a lower learning_rate")
                scaler.scale(loss).backward(inputs=list(changed))
            if self.clip_norm:
                scaler.unscale_(optimiser)
                torch.nn.utils.clip_grad_norm_(parameters, self.clip_norm)
            scaler.step(optimiser)
            scaler.update()
            if callback is not None and callback(step, losses[-1]):
                break
        return losses
