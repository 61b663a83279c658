"""Tracks together with the size of the clip that they were taken from, without which pixels say little."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tracks:
    """places: (T, N, 2), x and y in pixels of a clip of that height and width."""

    places: Tensor
    height: int
    width: int

    def scaled(self, height: int, width: int) -> Tensor:
        """The places in pixels of the same clip at another size: (T, N, 2)."""
        ratio = torch.tensor([width / self.width, height / self.height]).to(self.places)
        return (self.places + 0.5) * ratio - 0.5
