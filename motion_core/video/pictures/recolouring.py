"""Recolouring (ours): versions of a clip in other colours. Training on them learns what they share, the motion."""

from itertools import permutations

import torch
from torch import Tensor

COLOURINGS = 12
"""The six orders of the three colour channels, each as a positive and as a negative."""


def recolour(frames: Tensor, colourings: int = COLOURINGS) -> Tensor:
    """Recolours frames (N, H, W, 3) of 0..1: (colourings, N, H, W, 3), the original first. colourings: 1 to 12."""
    orders = [list(order) for order in permutations(range(3))]
    positives = torch.stack([frames[..., order] for order in orders[:colourings]])
    return torch.cat([positives, 1 - positives])[:colourings]
