"""Clips gradients to their median norm and averages the weights, so that a few steps at a high learning rate suffice.

A rare large gradient would undo what was learnt, and at a high rate the weights swing around their optimum. Both means
are known; using them together here is ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch
from torch import Tensor

MEDIAN_OF = 50
"""How many of the last gradient norms the median is taken of."""
DECAY = 0.95
"""Of the exponential moving average. It reaches back some 20 steps."""


class Stabilizer(Protocol):
    """What is done around the optimizer's steps."""

    unscales: bool
    """Whether it needs the gradients unscaled."""

    def before_step(self) -> None: ...

    def after_step(self) -> None: ...

    def averaged(self) -> AbstractContextManager[None]:
        """Within the block the parameters are what training would return if it ended now."""
        ...

    def finish(self) -> None:
        """Sets the parameters to what training returns."""
        ...


class NoStabilizer:
    """Leaves the optimizer's steps as they are."""

    unscales = False

    def before_step(self) -> None:
        """Does nothing."""

    def after_step(self) -> None:
        """Does nothing."""

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Leaves the parameters as they are."""
        yield

    def finish(self) -> None:
        """Does nothing."""


class ClippingAndAveraging:
    """Clips the gradients of parameters before each step and averages the parameters after it."""

    unscales = True

    def __init__(self, parameters: Sequence[Tensor]):
        self.parameters = parameters
        self.norms: deque[Tensor] = deque(maxlen=MEDIAN_OF)
        self.sums = [torch.zeros_like(parameter) for parameter in parameters]
        self.weight = 0.0

    @torch.no_grad()
    def before_step(self) -> None:
        """Scales the gradient down to the median norm of the last ones (after AutoClip, Seetharaman, Wichern, Pardo and
        Le Roux 2020). It does not wait for the device.
        """
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
        self.norms.append(norm)
        scale = (torch.stack(tuple(self.norms)).median() / norm).nan_to_num(1.0).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale)

    @torch.no_grad()
    def after_step(self) -> None:
        """Adds the parameters to their average."""
        for total, parameter in zip(self.sums, self.parameters, strict=True):
            total.lerp_(parameter, 1 - DECAY)
        self.weight += (1 - self.weight) * (1 - DECAY)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the block the parameters are their average."""
        latest = [parameter.detach().clone() for parameter in self.parameters]
        try:
            self.finish()
            yield
        finally:
            with torch.no_grad():
                for parameter, one in zip(self.parameters, latest, strict=True):
                    parameter.copy_(one)

    @torch.no_grad()
    def finish(self) -> None:
        """Sets the parameters to their exponential moving average, divided by the sum of its weights (Polyak and
        Juditsky 1992; the division as in Adam, Kingma and Ba 2014).
        """
        if self.weight:
            for total, parameter in zip(self.sums, self.parameters, strict=True):
                torch.div(total, self.weight, out=parameter)
