"""Motion discrepancy (MotionMatcher): the distance between the tracks of two clips."""

import torch
from torch import Tensor

from ..errors import OptionError
from .fidelity import checked_tracks


def motion_discrepancy(reference_tracks: Tensor, output_tracks: Tensor, height: int, width: int) -> Tensor:
    """Mean distance from each track to the nearest track of the other clip, averaged over both directions; 0 is best.

    The distance of two tracks is their squared distance in pixels, averaged over frames and divided by height * width
    (MotionMatcher). Tracks: (tracks, N, 2) in pixels, with the same N in both; height, width: in pixels.
    Raises OptionError for other shapes, no tracks, an unequal number of frames or a size below 1.
    """
    reference, output = checked_tracks(reference_tracks, output_tracks, frames=1)
    if height < 1 or width < 1:
        raise OptionError(f"a clip of {height} by {width} pixels has no pixels; give a height and width of 1 or more")
    # cdist's faster mode, a matrix product, does not give exactly 0 for identical tracks
    exact = "donot_use_mm_for_euclid_dist"
    distances = torch.cdist(reference.flatten(1), output.flatten(1), compute_mode=exact).square()
    nearest = (distances.amin(1).mean() + distances.amin(0).mean()) / 2
    return nearest / (reference.shape[1] * height * width)
