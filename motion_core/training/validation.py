"""Watches learning by the loss on a few draws that it never learns from, always the same ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..diffusion.noise_samples import Draw

DRAWS = 12
"""As many as there are colourings: with 4 the loss of the starter model seems to stand still while it falls."""
EVERY = 50
"""Steps between two looks."""
PATIENCE = 2
"""How many looks in a row may bring nothing before learning stops."""
GAIN = 1e-3
"""The least share of the loss by which it has to fall to count as lower."""
Report = Callable[[int, float], None]
"""Called with the number of the step (0: before the first) and the validation loss."""


@dataclass(eq=False)
class Validation:
    """evaluate: the loss of a draw; parameters: what is learnt, of which the best is kept; losses: (step, loss)."""

    draws: Sequence[Draw]
    evaluate: Callable[[Draw], Tensor]
    parameters: Sequence[Tensor]
    report: Report | None = None
    losses: list[tuple[int, float]] = field(default_factory=list)
    best: list[Tensor] = field(default_factory=list)
    lowest: float = math.inf
    idle: int = 0

    @torch.no_grad()
    def look(self, step: int) -> bool:
        """After every EVERY steps; True once the loss falls no more."""
        loss = float(torch.stack([self.evaluate(draw).float() for draw in self.draws]).mean())
        self.losses.append((step, loss))
        if self.report is not None:
            self.report(step, loss)
        self.idle = 0 if loss < self.lowest * (1 - GAIN) else self.idle + 1
        if loss < self.lowest:
            self.lowest = loss
            self.best = [parameter.detach().to("cpu", copy=True) for parameter in self.parameters]
        return self.idle >= PATIENCE

    @torch.no_grad()
    def bring_back_best(self) -> None:
        for parameter, best in zip(self.parameters, self.best, strict=False):
            parameter.copy_(best)
