"""Ends learning when what the model makes no longer looks as it is asked to, and keeps what was learnt before that."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import OptionError
from ..motions.adapter import Adapter

NO_FLOOR = -1.0
"""As low as a cosine gets."""
Score = Callable[[Adapter], float]
"""How well a preview that is made with an adapter shows what its prompt says, -1..1; higher is better."""


@dataclass(frozen=True)
class StopConfig:
    """every: steps between looks; floor: learning ends when a look's score is below it (-1: none); patience: learning
    ends after as many looks without a higher score than ever (0: never). Raises OptionError.
    """

    every: int = 50
    floor: float = NO_FLOOR
    patience: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.every <= 100_000:
            raise OptionError(f"every is {self.every}; choose 1 to 100000 steps between looks (50 is usual)")
        if not -1 <= self.floor <= 1:
            raise OptionError(f"floor is {self.floor}; choose -1 (none) to 1, a little below the plain model's score")
        if not 0 <= self.patience <= 1000:
            raise OptionError(f"patience is {self.patience}; choose 0 (never) to 1000 looks")


@dataclass
class AppearanceStop:
    """Looks at what is being learnt. With a floor it keeps the last adapter that held it, as the more is learnt, the
    more of the motion is there; without one, or where none held it, the one of the highest score (ours).

    scores: of each look, by step. kept: the adapter, None before the first look; kept_step: when it was learnt.
    """

    config: StopConfig
    score: Score
    scores: dict[int, float] = field(default_factory=dict)
    kept: Adapter | None = None
    kept_step: int = 0

    def is_due(self, step: int, steps: int) -> bool:
        """Whether to look after this step of so many; the last is always looked at."""
        return step % self.config.every == 0 or step == steps

    def look(self, step: int, adapter: Adapter) -> bool:
        """Score it, keep it if it is to be kept; whether learning ends."""
        score = self.score(adapter)
        if not math.isfinite(score):
            raise OptionError(f"the score of the preview at step {step} is {score}; check the CLIP and the autoencoder")
        if self.kept is None or self._holds(score) or score > self.scores[self.kept_step]:
            self.kept, self.kept_step = adapter, step
        self.scores[step] = score
        return score < self.config.floor or self._has_waited()

    def describe(self) -> dict[str, Any]:
        """What the file says of it; nothing before the first look."""
        if self.kept is None:
            return {}
        scores = {str(step): round(score, 4) for step, score in self.scores.items()}
        return {"kept_step": self.kept_step, "appearance_scores": scores}

    def _holds(self, score: float) -> bool:
        return NO_FLOOR < self.config.floor <= score

    def _has_waited(self) -> bool:
        seen = list(self.scores.values())
        since = len(seen) - 1 - seen.index(max(seen))
        return 0 < self.config.patience <= since
