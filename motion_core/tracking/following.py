"""Follows a grid of points from frame to frame and keeps those that find their way back."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import OptionError, VideoError
from ..video.pictures.pixels import check_frames

Step = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Where points (T, 2) of one frame (H, W, 3) are in another: (T, 2), NaN for those that are lost."""

TOLERANCE = 1.0
"""Pixels from its start at which a point may come back."""


def place_grid(frames: Tensor, spacing: int) -> Tensor:
    """Points (T, 2) across the first frame, row by row; spacing in pixels, 0 for a twentieth of the shorter side."""
    check_frames(frames)
    if len(frames) < 2:
        raise OptionError("points can't be followed through 1 frame; give 2 or more")
    height, width = frames.shape[1:3]
    spacing = spacing or max(4, min(height, width) // 20)
    y, x = (torch.arange((side - 1) % spacing / 2, side, spacing) for side in (height, width))
    return torch.cartesian_prod(y, x).flip(-1)


def follow_grid(frames: Tensor, spacing: int, step: Step) -> Tensor:
    """Tracks (T, N, 2) of the points of a grid that each step leads back to where they were (Kalal et al. 2010).

    frames: (N, H, W, 3) floats of 0..1. Raises OptionError for other shapes, VideoError where every point is lost.
    """
    tracks = place_grid(frames, spacing)[:, None]
    for number, (here, there) in enumerate(pairwise(frames), start=2):
        points = tracks[:, -1]
        moved = step(here, there, points)
        returned = step(there, here, moved)
        kept = (returned - points).norm(dim=-1) <= TOLERANCE  # never true of NaN
        if not kept.any():
            raise VideoError(
                f"no point could be followed to frame {number} of {len(frames)}; "
                f"use a clip without cuts and with more texture, fewer frames, or a smaller spacing"
            )
        tracks = torch.cat([tracks[kept], moved[kept, None]], 1)
    return tracks
