"""Lets few steps at a high rate go far (ours, of two known means): no gradient is longer than is usual, so that a rare
long one does not undo what was learnt, and what learning gives is the average of its last steps, around which a high
rate would leave it swinging.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

USUAL_OF = 50
"""Gradients of which the median length is the usual one."""
DECAY = 0.95
"""Of the average: what a step still weighs in it after the next one. It reaches back some 20 steps."""


class Steadiness:
    """Of the optimiser's steps on `parameters`."""

    def __init__(self, parameters: Sequence[Tensor]):
        self.parameters = parameters
        self.lengths: deque[Tensor] = deque(maxlen=USUAL_OF)
        self.sums = [torch.zeros_like(parameter) for parameter in parameters]
        self.weight = 0.0

    @torch.no_grad()
    def shorten(self) -> None:
        """Before a step: scale the gradient down to the median length of the last ones (after AutoClip, Seetharaman,
        Wichern, Pardo and Le Roux 2020). The device is not waited for.
        """
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        length = torch.stack([gradient.norm() for gradient in gradients]).norm()
        self.lengths.append(length)
        scale = (torch.stack(tuple(self.lengths)).median() / length).nan_to_num(1.0).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale)

    @torch.no_grad()
    def note(self) -> None:
        """After a step."""
        for total, parameter in zip(self.sums, self.parameters, strict=True):
            total.lerp_(parameter, 1 - DECAY)
        self.weight += (1 - self.weight) * (1 - DECAY)

    @torch.no_grad()
    def give(self) -> None:
        """Make the parameters their average: exponential, and divided by its weights' sum (Polyak and Juditsky 1992;
        the division as in Adam, Kingma and Ba 2014).
        """
        if self.weight:
            for total, parameter in zip(self.sums, self.parameters, strict=True):
                torch.div(total, self.weight, out=parameter)

    @contextmanager
    def given(self) -> Iterator[None]:
        """Within the block the parameters are their average."""
        latest = [parameter.detach().clone() for parameter in self.parameters]
        try:
            self.give()
            yield
        finally:
            with torch.no_grad():
                for parameter, one in zip(self.parameters, latest, strict=True):
                    parameter.copy_(one)
