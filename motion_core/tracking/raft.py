"""Tracks from the optical flow of RAFT (Teed and Deng 2020), from torchvision."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..device import choose_device
from ..errors import ModelError
from ..files.pickle_file import read_pickle
from .grid_tracking import track_grid

LEAST_SIDE = 128
"""Pixels. RAFT's pyramid needs sides of at least this length."""


@dataclass(frozen=True)
class Raft:
    """A `Tracker`. model: torchvision's RAFT, large or small; spacing: see `find_tracker`."""

    model: nn.Module
    spacing: int = 0

    def track(self, frames: Tensor) -> Tensor:
        return track_grid(frames, self.spacing, self._step)

    def _step(self, frame: Tensor, next_frame: Tensor, points: Tensor) -> Tensor:
        return move_along(self.estimate_flow(frame, next_frame), points)

    @torch.no_grad()
    def estimate_flow(self, frame: Tensor, next_frame: Tensor) -> Tensor:
        """Optical flow (H, W, 2) in pixels between two frames (H, W, 3), on the CPU."""
        height, width = frame.shape[:2]
        sides = [max(LEAST_SIDE, round(side / 8) * 8) for side in (height, width)]
        pair = torch.stack([frame, next_frame]).permute(0, 3, 1, 2).to(next(self.model.parameters())) * 2 - 1
        pair = F.interpolate(pair, sides, mode="bilinear", antialias=True)
        flow = F.interpolate(self.model(pair[:1], pair[1:])[-1], (height, width), mode="bilinear", antialias=True)
        scale = torch.tensor([width / sides[1], height / sides[0]])
        return flow[0].permute(1, 2, 0).float().cpu() * scale


def move_along(flow: Tensor, points: Tensor) -> Tensor:
    """Moves points (T, 2) along a flow (H, W, 2). Points that leave the picture become NaN."""
    last = torch.tensor([flow.shape[1] - 1, flow.shape[0] - 1])
    normalized = (points / last * 2 - 1)[None, None]
    moved = points + F.grid_sample(flow.permute(2, 0, 1)[None], normalized, align_corners=True)[0, :, 0].T
    inside = ((moved >= 0) & (moved <= last)).all(-1, keepdim=True)
    return moved.where(inside, torch.nan)


def load_raft(spacing: int = 0, weights: Path | None = None) -> Raft:
    """Loads torchvision's RAFT, on a CUDA GPU if there is one. weights: the file of the large or the small model.

    Raises ModelError if torchvision or the weights are missing, or the weights are of another model; FileError for a
    damaged file.
    """
    if weights is None or not weights.is_file():
        raise ModelError(
            f"RAFT's weights are not at {weights}; give the path of torchvision's raft_large or raft_small .pth file"
        )
    try:
        from torchvision.models.optical_flow import raft_large, raft_small
    except Exception as reason:  # one built for another torch fails in many ways
        raise ModelError(
            f"torchvision could not be imported ({reason}); install the one made for this torch"
        ) from reason
    state = read_pickle(weights, "file of RAFT's weights")
    try:
        model = raft_large() if len(state["feature_encoder.convnormrelu.0.weight"]) == 64 else raft_small()
        model.load_state_dict(state)
    except Exception as reason:  # a damaged file or another model fails in many ways
        raise ModelError(f"{weights} holds no weights of torchvision's RAFT; download the file again") from reason
    return Raft(model.eval().to(choose_device(among=("cuda", "cpu"))), spacing)
