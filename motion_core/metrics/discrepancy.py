"""Motion discrepancy: how far apart do the points of two clips travel?"""

import torch
from torch import Tensor

from ..errors import OptionError
from .fidelity import comparable


def motion_discrepancy(reference_tracks: Tensor, output_tracks: Tensor, height: int, width: int) -> Tensor:
    """Mean distance from each track to the nearest track of the other clip, averaged both ways; 0 is best.

    The distance of two tracks is their squared distance in pixels, averaged over frames, over height * width
    (MotionMatcher). Tracks: (tracks, N, 2) in pixels, of one N but any number of tracks each; height, width: pixels.
    Raises OptionError for other shapes, no tracks, an unequal number of frames or a size below 1.
    """
    reference, output = comparable(reference_tracks, output_tracks, frames=1)
    if height < 1 or width < 1:
        raise OptionError(f"a clip of {height} by {width} pixels is none; give height and width of 1 or more")
    # cdist's matrix-product shortcut would not give identical tracks exactly 0
    exact = "donot_use_mm_for_euclid_dist"
    distances = torch.cdist(reference.flatten(1), output.flatten(1), compute_mode=exact).square()
    nearest = (distances.amin(1).mean() + distances.amin(0).mean()) / 2
    return nearest / (reference.shape[1] * height * width)
