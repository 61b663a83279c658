"""Pyramidal Lucas-Kanade, as OpenCV has it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelError
from ..video.pictures.pixels import to_bytes
from .following import follow_grid

WINDOW = (15, 15)
LEVELS = 3


@dataclass(frozen=True)
class LucasKanade:
    """opencv: the module cv2; spacing: pixels between points, 0 for a twentieth of the shorter side."""

    opencv: Any
    spacing: int = 0

    def track(self, frames: Tensor) -> Tensor:
        return follow_grid(frames, self.spacing, self._step)

    def _step(self, here: Tensor, there: Tensor, points: Tensor) -> Tensor:
        pictures = (
            self.opencv.cvtColor(to_bytes(frame).numpy(), self.opencv.COLOR_RGB2GRAY) for frame in (here, there)
        )
        start = points.nan_to_num(-1e6).numpy()  # a lost point is outside of the picture, and stays lost
        moved, found, _ = self.opencv.calcOpticalFlowPyrLK(*pictures, start, None, winSize=WINDOW, maxLevel=LEVELS)
        return torch.from_numpy(moved).where(torch.from_numpy(found).bool(), torch.nan)


def load_lucas_kanade(spacing: int = 0, weights: Path | None = None) -> LucasKanade:
    """Needs no weights. Raises ModelError where OpenCV is not installed."""
    try:
        import cv2
    except Exception as reason:  # a broken install fails in many ways
        raise ModelError(
            f"OpenCV could not be imported ({reason}); pip install opencv-python-headless, or choose another tracker"
        ) from reason
    return LucasKanade(cv2, spacing)
