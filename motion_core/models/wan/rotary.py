"""What Wan's self-attention does to queries and keys before it compares them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...device import widest_dtype
from ..token_layout import LiveTokens

THETA = 10_000.0


@dataclass(frozen=True)
class NormAndRotate:
    """A norm over all heads, and rotary positions (Su et al. 2021) of a token's frame, row and column.

    norm_q, norm_k: the attention's own layers, or nothing.
    """

    norm_q: nn.Module | None
    norm_k: nn.Module | None
    heads: int

    def __call__(self, q: Tensor, k: Tensor, live: LiveTokens) -> tuple[Tensor, Tensor]:
        """Queries and keys of the video's tokens, (B, L, C) each, before and after."""
        end = live.before + live.frames * live.grid[0] * live.grid[1]
        pairs = ((q, self.norm_q), (k, self.norm_k))
        normed = [(x if norm is None else norm(x))[:, live.before : end] for x, norm in pairs]
        turned = [rotate(x.unflatten(-1, (self.heads, -1)), live).flatten(2) for x in normed]
        return turned[0], turned[1]


def rotate(x: Tensor, live: LiveTokens) -> Tensor:
    """Turns pairs of channels of (B, N*h*w, heads, d) by angles that grow with the place."""
    wide = widest_dtype(x.device)
    angles = find_angles(live, x.shape[-1])[:, None]
    cosine, sine = (part.to(wide).to(x.device) for part in (angles.cos(), angles.sin()))
    one, other = x.to(wide).unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([one * cosine - other * sine, one * sine + other * cosine], -1)
    return turned.flatten(-2).to(x.dtype)


def find_angles(live: LiveTokens, width: int) -> Tensor:
    """(N*h*w, width / 2), float64: a third of the pairs each for frame, row and column, the rest to the frame."""
    side = 2 * (width // 6)
    (h, w), frames = live.grid, live.frames
    places = torch.cartesian_prod(*(torch.arange(size, dtype=torch.float64) for size in (frames, h, w)))
    angles = []
    for axis, share in enumerate((width - 2 * side, side, side)):
        speed = THETA ** -(torch.arange(0, share, 2, dtype=torch.float64) / share)
        angles.append(places.view(-1, 3)[:, axis : axis + 1] * speed)
    return torch.cat(angles, 1)
