"""Shows a motion while it is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import OptionError
from ..motions.motion import Motion
from .observer import Snapshot

Show = Callable[[Motion, int], None]
"""Called with the motion as it is so far, and the step after which it is."""


@dataclass
class Previews:
    """An `Observer` that shows the motion after every `every` steps and after the last. Training is as without it.

    Raises OptionError.
    """

    every: int
    show: Show
    kept: Motion | None = None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise OptionError(f"every is {self.every}; choose 1 or more steps between previews")

    def begin(self) -> None:
        """Does nothing: the next preview takes the place of the last."""

    def is_due(self, step: int, steps: int) -> bool:
        """Whether a preview is made after this step of so many."""
        return step % self.every == 0 or step == steps

    def observe(self, snapshot: Snapshot) -> bool:
        """Shows the motion. Never ends training."""
        self.show(snapshot.motion, snapshot.step)
        return False

    def describe(self) -> dict[str, Any]:
        """Records nothing: what is shown changes nothing."""
        return {}
