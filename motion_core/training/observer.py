"""Looks at a motion while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ..diffusion.noise_samples import NoiseSample
from ..motions.motion import Motion


@dataclass(frozen=True)
class Snapshot:
    """A moment of training. step: the last one; motion: a copy of what training would return if it ended now;
    evaluate: the loss on the reference clips under a given noise sample, without gradients.
    """

    step: int
    motion: Motion
    evaluate: Callable[[NoiseSample], Tensor]


class Observer(Protocol):
    """Observes training. It may end it, and choose what it returns."""

    @property
    def kept(self) -> Motion | None:
        """What training returns; None for the last state."""
        ...

    def begin(self) -> None:
        """Forgets what was observed: training begins, or begins again."""
        ...

    def is_due(self, step: int, steps: int) -> bool:
        """Whether to observe after this step of so many."""
        ...

    def observe(self, snapshot: Snapshot) -> bool:
        """Observes a moment. The model runs without the motion. True ends training."""
        ...

    def describe(self) -> dict[str, Any]:
        """Returns what a file records of it."""
        ...


class NoObserver:
    """Observes nothing."""

    kept: Motion | None = None

    def begin(self) -> None:
        """Does nothing."""

    def is_due(self, step: int, steps: int) -> bool:
        """Never."""
        return False

    def observe(self, snapshot: Snapshot) -> bool:
        """Never ends training."""
        return False

    def describe(self) -> dict[str, Any]:
        """Records nothing."""
        return {}


class Observers:
    """Several observers as one. Any of them ends training; the first that keeps a motion chooses what is returned."""

    def __init__(self, members: Sequence[Observer]):
        self.members, self.due = members, list[Observer]()

    @property
    def kept(self) -> Motion | None:
        return next((member.kept for member in self.members if member.kept is not None), None)

    def begin(self) -> None:
        """Begins with all of them."""
        for member in self.members:
            member.begin()

    def is_due(self, step: int, steps: int) -> bool:
        """Whether any of them is due."""
        self.due = [member for member in self.members if member.is_due(step, steps)]
        return bool(self.due)

    def observe(self, snapshot: Snapshot) -> bool:
        """Lets all that are due observe."""
        return any([member.observe(snapshot) for member in self.due])

    def describe(self) -> dict[str, Any]:
        """Returns what a file records of all of them."""
        return {name: value for member in self.members for name, value in member.describe().items()}
