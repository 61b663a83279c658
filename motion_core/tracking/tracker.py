"""The protocol of a tracker, and the trackers by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from torch import Tensor

from ..errors import ModelError, MotionError, OptionError
from .cotracker import load_cotracker
from .lucas_kanade import load_lucas_kanade
from .raft import load_raft


class Tracker(Protocol):
    """Tracks points through a clip."""

    def track(self, frames: Tensor) -> Tensor:
        """Tracks points from the first frame to the last: (tracks, N, 2) float32 on the CPU.

        frames: (N, H, W, 3) floats of 0..1. Raises OptionError for other shapes, VideoError if every point is lost.
        """


Load = Callable[[int, Path | None], Tracker]

TRACKERS: dict[str, Load] = {"lucas_kanade": load_lucas_kanade, "raft": load_raft, "cotracker": load_cotracker}
"""By name, in the order in which `auto` tries them."""


def find_tracker(name: str = "auto", spacing: int = 0, weights: Path | None = None) -> Tracker:
    """Loads a tracker by name; `auto` takes the first that is installed. Downloads nothing.

    spacing: pixels between the points of the grid in the first frame, 0 for a twentieth of the shorter side;
    weights: the file for RAFT or CoTracker. Raises OptionError for an unknown name or a negative spacing, ModelError
    with what to install if the tracker is missing.
    """
    if spacing < 0:
        raise OptionError(f"spacing={spacing} must be a number of pixels, or 0 for a twentieth of the shorter side")
    if name == "auto":
        return _find_first(spacing, weights)
    if name not in TRACKERS:
        raise OptionError(f"tracker is {name!r}; use one of auto, {', '.join(TRACKERS)}")
    return TRACKERS[name](spacing, weights)


def _find_first(spacing: int, weights: Path | None) -> Tracker:
    for load in TRACKERS.values():
        try:
            return load(spacing, weights)
        except MotionError:
            continue
    raise ModelError("no tracker is installed; pip install opencv-python-headless, or give tracks that you have")
