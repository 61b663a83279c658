"""Pyramidal Lucas-Kanade optical flow, from OpenCV."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelError
from ..video.pictures.pixels import to_bytes
from .grid_tracking import track_grid

WINDOW = (15, 15)
LEVELS = 3


@dataclass(frozen=True)
class LucasKanade:
    """A `Tracker`. opencv: the module cv2; spacing: see `find_tracker`."""

    opencv: Any
    spacing: int = 0

    def track(self, frames: Tensor) -> Tensor:
        return track_grid(frames, self.spacing, self._step)

    def _step(self, frame: Tensor, next_frame: Tensor, points: Tensor) -> Tensor:
        pictures = (
            self.opencv.cvtColor(to_bytes(pixels).numpy(), self.opencv.COLOR_RGB2GRAY) for pixels in (frame, next_frame)
        )
        start = points.nan_to_num(-1e6).numpy()  # far outside the picture, so a lost point stays lost
        moved, found, _ = self.opencv.calcOpticalFlowPyrLK(*pictures, start, None, winSize=WINDOW, maxLevel=LEVELS)
        return torch.from_numpy(moved).where(torch.from_numpy(found).bool(), torch.nan)


def load_lucas_kanade(spacing: int = 0, weights: Path | None = None) -> LucasKanade:
    """Loads OpenCV. It needs no weights. Raises ModelError if OpenCV is not installed."""
    try:
        import cv2
    except Exception as reason:  # a broken install fails in many ways
        raise ModelError(
            f"OpenCV could not be imported ({reason}); pip install opencv-python-headless, or choose another tracker"
        ) from reason
    return LucasKanade(cv2, spacing)
