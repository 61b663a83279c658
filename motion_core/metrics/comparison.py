"""Motion scores of two clips that may differ in size."""

from dataclasses import dataclass

from ..tracking.tracks import Tracks
from .discrepancy import motion_discrepancy
from .fidelity import moving_share, raw_motion_fidelity

STILL = 0.25
"""Pixels per frame. A track that moves less is regarded as noise of the tracker."""


@dataclass(frozen=True)
class MotionScores:
    """fidelity: -1..1, 1 is identical; raw: eq. 6 as published, twice the fidelity; discrepancy: 0 is best.

    reference_moving, result_moving: shares of the steps that are not still, the fidelity of each clip with itself.
    """

    fidelity: float
    raw: float
    discrepancy: float
    reference_moving: float
    result_moving: float


def compare_motion(reference: Tracks, output: Tracks, still: float = STILL) -> MotionScores:
    """Compares the tracks of two clips in pixels of the reference. The output's tracks are scaled to its size.

    still: see `motion_fidelity`. Raises OptionError for no tracks or an unequal number of frames.
    """
    size = reference.height, reference.width
    tracks = reference.scaled(*size), output.scaled(*size)
    raw = raw_motion_fidelity(*tracks, still).item()
    moving = (moving_share(each, still) for each in tracks)
    return MotionScores(raw / 2, raw, motion_discrepancy(*tracks, *size).item(), *moving)
