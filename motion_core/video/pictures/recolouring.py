"""A clip in other colours. What its colourings share is how it moves, so that is what is learnt from them (ours)."""

from itertools import permutations

import torch
from torch import Tensor

COLOURINGS = 12
"""The six orders of three colour channels, each as it is and as a negative."""


def recolour(frames: Tensor, colourings: int = COLOURINGS) -> Tensor:
    """frames (N, H, W, 3) in 0..1 to (colourings, N, H, W, 3), the clip as it is first; colourings: 1 to 12."""
    orders = [list(order) for order in permutations(range(3))]
    positives = torch.stack([frames[..., order] for order in orders[:colourings]])
    return torch.cat([positives, 1 - positives])[:colourings]
