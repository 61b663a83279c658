"""What a tracker is, and which ones there are."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from torch import Tensor

from ..errors import ModelError, MotionError, OptionError
from .cotracker import load_cotracker
from .lucas_kanade import load_lucas_kanade
from .raft import load_raft


class Tracker(Protocol):
    def track(self, frames: Tensor) -> Tensor:
        """Follow points from the first frame to the last. frames: (N, H, W, 3) floats of 0..1 -> (tracks, N, 2).

        Tracks are float32 on the CPU. Raises OptionError for other shapes, VideoError where no point can be followed.
        """


Load = Callable[[int, Path | None], Tracker]

TRACKERS: dict[str, Load] = {"lucas_kanade": load_lucas_kanade, "raft": load_raft, "cotracker": load_cotracker}
"""By name, the first that can be had being what `auto` takes."""


def find_tracker(name: str = "auto", spacing: int = 0, weights: Path | None = None) -> Tracker:
    """A tracker by name, or for `auto` the first that is installed. Nothing is ever downloaded.

    spacing: pixels between the points, which lie on a grid in the first frame (0: a twentieth of the shorter side);
    weights: the file of RAFT's or CoTracker's. Raises OptionError for an unknown name or a negative spacing, ModelError
    with what to install where a tracker can't be had.
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
