"""CoTracker (Karaev et al. 2023, 2024). The user installs it, because its licence is non-commercial."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..device import choose_device
from ..errors import ModelError
from ..files.pickle_file import require_safe_torch
from .grid_tracking import place_grid


@dataclass(frozen=True)
class CoTracker:
    """A `Tracker`. predictor: the package's `CoTrackerPredictor`; spacing: see `find_tracker`."""

    predictor: Any
    device: str
    spacing: int = 0

    @torch.no_grad()
    def track(self, frames: Tensor) -> Tensor:
        points = place_grid(frames, self.spacing)
        queries = torch.cat([torch.zeros(len(points), 1), points], 1)[None].to(self.device)  # (1, T, 3): frame, x, y
        video = (frames.permute(0, 3, 1, 2)[None].float() * 255).to(self.device)
        tracks, _ = self.predictor(video, queries=queries)  # (1, N, T, 2), with occluded points
        return tracks[0].transpose(0, 1).float().cpu()


def load_cotracker(spacing: int = 0, weights: Path | None = None) -> CoTracker:
    """Loads CoTracker 2 or 3 (offline), on a CUDA GPU if there is one. weights: its file.

    Raises ModelError if the package or the weights are missing or damaged.
    """
    if weights is None or not weights.is_file():
        raise ModelError(f"CoTracker's weights are not at {weights}; give the path of its scaled_offline.pth")
    require_safe_torch(weights)  # the package reads the pickle itself; torch 2.6 and later restrict it to tensors
    try:
        from cotracker.predictor import CoTrackerPredictor
    except Exception as reason:  # a broken install fails in many ways
        raise ModelError(
            f"CoTracker could not be imported ({reason}); its page says how to install it, or choose another tracker"
        ) from reason
    device = choose_device(among=("cuda", "cpu"))
    try:
        return CoTracker(CoTrackerPredictor(checkpoint=str(weights)).to(device), device, spacing)
    except Exception as reason:  # a damaged file or another model fails in many ways
        raise ModelError(f"{weights} holds no weights of CoTracker; download the file again") from reason
