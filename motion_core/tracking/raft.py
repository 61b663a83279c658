"""Tracks chained from the optical flow of RAFT (Teed and Deng 2020), as torchvision has it."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..device import choose_device
from ..errors import ModelError
from ..files.pickle_file import read_pickle
from .following import follow_grid

LEAST_SIDE = 128
"""Pixels below which RAFT's pyramid has no top."""


@dataclass(frozen=True)
class Raft:
    """model: torchvision's, large or small; spacing: pixels between points, 0 for a twentieth of the shorter side."""

    model: nn.Module
    spacing: int = 0

    def track(self, frames: Tensor) -> Tensor:
        return follow_grid(frames, self.spacing, self._step)

    def _step(self, here: Tensor, there: Tensor, points: Tensor) -> Tensor:
        return move_along(self.estimate_flow(here, there), points)

    @torch.no_grad()
    def estimate_flow(self, here: Tensor, there: Tensor) -> Tensor:
        """Pixels (H, W, 2) by which each place of one frame (H, W, 3) moves to the other, on the CPU."""
        height, width = here.shape[:2]
        sides = [max(LEAST_SIDE, round(side / 8) * 8) for side in (height, width)]
        pair = torch.stack([here, there]).permute(0, 3, 1, 2).to(next(self.model.parameters())) * 2 - 1
        pair = F.interpolate(pair, sides, mode="bilinear", antialias=True)
        flow = F.interpolate(self.model(pair[:1], pair[1:])[-1], (height, width), mode="bilinear", antialias=True)
        scale = torch.tensor([width / sides[1], height / sides[0]])
        return flow[0].permute(1, 2, 0).float().cpu() * scale


def move_along(flow: Tensor, points: Tensor) -> Tensor:
    """Points (T, 2) after a flow (H, W, 2); those that leave the picture become NaN."""
    last = torch.tensor([flow.shape[1] - 1, flow.shape[0] - 1])
    places = (points / last * 2 - 1)[None, None]
    moved = points + F.grid_sample(flow.permute(2, 0, 1)[None], places, align_corners=True)[0, :, 0].T
    inside = ((moved >= 0) & (moved <= last)).all(-1, keepdim=True)
    return moved.where(inside, torch.nan)


def load_raft(spacing: int = 0, weights: Path | None = None) -> Raft:
    """Load torchvision's RAFT on the GPU if there is one. weights: its file, large or small.

    Raises ModelError where torchvision or the weights are missing or of another model, FileError for a damaged file.
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
    except Exception as reason:  # whatever a damaged file or another model's makes of it
        raise ModelError(f"{weights} holds no weights of torchvision's RAFT; download the file again") from reason
    return Raft(model.eval().to(choose_device()), spacing)
