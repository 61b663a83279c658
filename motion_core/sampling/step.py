"""A step of sampling, and guidance that may change it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..diffusion.denoiser import Condition

Advance = Callable[[Tensor], Tensor]
"""The ordinary step from t to t_prev: latents (B, C, N, h, w) to latents. It may be taken more than once."""


@dataclass(frozen=True)
class Step:
    """Where sampling is. number: 0-based, of `count`; from noise level t to t_prev;
    conditions: of the prompt, one for each of the B clips.
    """

    number: int
    count: int
    t: float
    t_prev: float
    conditions: Sequence[Condition]

    @property
    def progress(self) -> float:
        """The fraction of sampling that is done, 0..1."""
        return self.number / self.count

    def place_within(self, start: float, end: float) -> tuple[int, int] | None:
        """Returns (which, of how many) this is of the steps with start <= progress < end, from 0; None outside."""
        numbers = [number for number in range(self.count) if start <= number / self.count < end]
        return (numbers.index(self.number), len(numbers)) if self.number in numbers else None


class Guidance(Protocol):
    """Moves the latents while they are sampled. It keeps nothing from one step to the next."""

    def acts_at(self, step: Step) -> bool:
        """Whether `guide` does more than advance."""
        ...

    def guide(self, z: Tensor, step: Step, advance: Advance) -> Tensor:
        """Returns the latents at step.t_prev. z: those at step.t, (B, C, N, h, w), with a variance of 1."""
        ...
