"""Tracking a grid of points from frame to frame, with a forward-backward check (Kalal et al. 2010)."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import OptionError, VideoError
from ..video.pictures.pixels import check_frames

Step = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Maps (frame, next frame, points (T, 2)) to the points in the next frame: (T, 2), NaN for lost points."""

TOLERANCE = 1.0
"""Pixels. A point is lost if it comes back farther from its start than this."""


def place_grid(frames: Tensor, spacing: int) -> Tensor:
    """Points (T, 2) of a regular grid, row by row. spacing: in pixels, 0 for a twentieth of the shorter side."""
    check_frames(frames)
    if len(frames) < 2:
        raise OptionError("points can't be followed through 1 frame; give 2 or more")
    height, width = frames.shape[1:3]
    spacing = spacing or max(4, min(height, width) // 20)
    y, x = (torch.arange((side - 1) % spacing / 2, side, spacing) for side in (height, width))
    return torch.cartesian_prod(y, x).flip(-1)


def track_grid(frames: Tensor, spacing: int, step: Step) -> Tensor:
    """Tracks a grid of points: (T, N, 2). Points that do not come back to their start are dropped.

    Each step is made forwards and backwards (Kalal et al. 2010). frames: (N, H, W, 3) floats of 0..1.
    Raises OptionError for other shapes, VideoError if every point is lost.
    """
    tracks = place_grid(frames, spacing)[:, None]
    for number, (frame, next_frame) in enumerate(pairwise(frames), start=2):
        points = tracks[:, -1]
        moved = step(frame, next_frame, points)
        returned = step(next_frame, frame, moved)
        kept = (returned - points).norm(dim=-1) <= TOLERANCE  # False for NaN
        if not kept.any():
            raise VideoError(
                f"no point could be followed to frame {number} of {len(frames)}; "
                f"use a clip without cuts and with more texture, fewer frames, or a smaller spacing"
            )
        tracks = torch.cat([tracks[kept], moved[kept, None]], 1)
    return tracks
