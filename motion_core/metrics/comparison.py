"""The motion of two clips in numbers, whatever their sizes."""

from dataclasses import dataclass

from ..tracking.tracks import Tracks
from .discrepancy import motion_discrepancy
from .fidelity import raw_motion_fidelity

STILL = 0.25
"""Pixels a step below which what a tracker sees is taken for noise."""


@dataclass(frozen=True)
class MotionScores:
    """fidelity: -1..1, 1 is identical; raw: eq. 6 as published, twice that; discrepancy: 0 is best."""

    fidelity: float
    raw: float
    discrepancy: float


def compare_motion(reference: Tracks, output: Tracks, still: float = STILL) -> MotionScores:
    """Scores in pixels of the reference, to whose size the output's tracks are scaled. still: as in `motion_fidelity`.

    Raises OptionError for tracks of unequal length or none.
    """
    size = reference.height, reference.width
    places = reference.scaled(*size), output.scaled(*size)
    raw = raw_motion_fidelity(*places, still).item()
    return MotionScores(raw / 2, raw, motion_discrepancy(*places, *size).item())
