"""Ends training when previews no longer look as their prompt says, and returns what was trained before that."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import OptionError
from ..motions.motion import Motion
from ..options import option
from .observer import Snapshot

NO_FLOOR = -1.0
"""The lowest cosine."""
Score = Callable[[Motion], float]
"""How well a preview that is made with a motion shows what its prompt says, -1..1; higher is better."""


@dataclass(frozen=True)
class StopSettings:
    """every: steps between previews; floor: training ends when a preview's score is below it (-1: none); patience:
    training ends after as many previews without a higher score than ever (0: never). Raises OptionError.
    """

    every: int = option(50, minimum=1, maximum=100_000, about="Training steps between previews.", metavar="N")
    floor: float = option(
        NO_FLOOR,
        minimum=-1.0,
        maximum=1.0,
        step=0.01,
        about="Training ends when a preview's text similarity is below this, and the last motion above it is kept. -1: "
        "none, and the best is kept. Take a little less than the plain model's text similarity.",
        metavar="X",
    )
    patience: int = option(
        0,
        minimum=0,
        maximum=1000,
        about="Training ends after so many previews without a better one than before. 0: never.",
        metavar="N",
    )

    def __post_init__(self) -> None:
        if not 1 <= self.every <= 100_000:
            raise OptionError(f"every is {self.every}; choose 1 to 100000 steps between previews (50 is usual)")
        if not -1 <= self.floor <= 1:
            raise OptionError(f"floor is {self.floor}; choose -1 (none) to 1, a little below the plain model's score")
        if not 0 <= self.patience <= 1000:
            raise OptionError(f"patience is {self.patience}; choose 0 (never) to 1000 previews")


@dataclass
class AppearanceStop:
    """An `Observer` that scores previews.

    With a floor it keeps the last motion above it, since the longer training goes on, the more of the motion is learnt.
    Without one, or where none was above it, it keeps the motion of the highest score (ours).
    scores: by step. kept: None before the first preview; kept_step: when it was trained.
    """

    settings: StopSettings
    score: Score
    scores: dict[int, float] = field(default_factory=dict)
    kept: Motion | None = None
    kept_step: int = 0

    def begin(self) -> None:
        """Forgets all previews."""
        self.scores, self.kept, self.kept_step = {}, None, 0

    def is_due(self, step: int, steps: int) -> bool:
        """Whether a preview is made after this step of so many; one is made after the last."""
        return step % self.settings.every == 0 or step == steps

    def observe(self, snapshot: Snapshot) -> bool:
        """Scores a preview and keeps the motion if it is better. True ends training."""
        score = self.score(snapshot.motion)
        if not math.isfinite(score):
            raise OptionError(
                f"the score of the preview at step {snapshot.step} is {score}; check the CLIP and the autoencoder"
            )
        if self.kept is None or self._is_above_floor(score) or score > self.scores[self.kept_step]:
            self.kept, self.kept_step = snapshot.motion, snapshot.step
        self.scores[snapshot.step] = score
        return score < self.settings.floor or self._is_out_of_patience()

    def describe(self) -> dict[str, Any]:
        """Returns what a file records of the previews; nothing before the first."""
        if self.kept is None:
            return {}
        scores = {str(step): round(score, 4) for step, score in self.scores.items()}
        return {"kept_step": self.kept_step, "appearance_scores": scores}

    def _is_above_floor(self, score: float) -> bool:
        return NO_FLOOR < self.settings.floor <= score

    def _is_out_of_patience(self) -> bool:
        scores = list(self.scores.values())
        since = len(scores) - 1 - scores.index(max(scores))
        return 0 < self.settings.patience <= since
