"""A step of sampling, and who may take it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

Advance = Callable[[Tensor], Tensor]
"""The ordinary step from t to t_prev: latents (B, C, N, h, w) to latents. It may be taken more than once."""


@dataclass(frozen=True)
class Step:
    """Where sampling is. number: 0-based, of `count`; from timestep t to t_prev (-1: the clean sample);
    text: (B, L, D) features of the prompt.
    """

    number: int
    count: int
    t: int
    t_prev: int
    text: Tensor

    @property
    def progress(self) -> float:
        """How much of sampling lies behind, 0..1."""
        return self.number / self.count

    def place_within(self, start: float, end: float) -> tuple[int, int] | None:
        """(which, of how many) this is of the steps with start <= progress < end, from 0; None outside."""
        numbers = [number for number in range(self.count) if start <= number / self.count < end]
        return (numbers.index(self.number), len(numbers)) if self.number in numbers else None


class Steering(Protocol):
    """What moves the latents while they are sampled. It keeps nothing from one step to the next."""

    def acts_at(self, step: Step) -> bool:
        """Whether `steer` would do more than advance."""
        ...

    def steer(self, z: Tensor, step: Step, advance: Advance) -> Tensor:
        """The latents at step.t_prev. z: those at step.t, (B, C, N, h, w), in the model's scale (variance 1)."""
        ...
