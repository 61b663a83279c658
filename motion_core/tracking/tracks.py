"""Tracks together with the size of their clip."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tracks:
    """positions: (T, N, 2), x and y in pixels of a clip of this height and width."""

    positions: Tensor
    height: int
    width: int

    def scaled(self, height: int, width: int) -> Tensor:
        """Scales the positions to another size of the clip: (T, N, 2)."""
        ratio = torch.tensor([width / self.width, height / self.height]).to(self.positions)
        return (self.positions + 0.5) * ratio - 0.5
