"""Makes an autoencoder's latents uncorrelated, with given means and spreads, without changing what it does.

The 1x1 convolutions on both sides of the latents are linear, so the change folds into their weights.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def whiten(
    vae: Any, latents: Tensor, *, dim: int, mean: Tensor | None = None, spread: Tensor | None = None
) -> Callable[[Tensor], Tensor]:
    """Folds the whitening of latents into the autoencoder. dim: of their C channels.

    mean, spread: (C,) that the autoencoder's latents have afterwards, 0 and 1 where they are not given. Returns a
    function that gives latents of before a mean of 0 and a variance of 1.
    """
    tokens = latents.movedim(dim, -1).flatten(0, -2).double()
    old = tokens.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((tokens - old).T))
    shrink = vectors.T / values.sqrt()[:, None]
    stretch = vectors * values.sqrt()[None, :]
    new = torch.zeros_like(old) if mean is None else mean.double()
    scale = torch.ones_like(old) if spread is None else spread.double()
    _compose_before(vae.quant_conv, scale[:, None] * shrink, new - scale * (shrink @ old))
    _compose_after(vae.post_quant_conv, stretch / scale, old - stretch @ (new / scale))

    def applied(raw: Tensor) -> Tensor:
        centred = raw.movedim(dim, -1) - old.to(raw)
        return (centred @ shrink.T.to(raw)).movedim(-1, dim)

    return applied


def _compose_before(conv: Any, matrix: Tensor, shift: Tensor) -> None:
    """Follows the part of the convolution that gives the means by matrix and shift. The spreads stay, they are tiny."""
    channels = len(matrix)
    weight, bias = conv.weight[:channels].flatten(1).double(), conv.bias[:channels].double()
    conv.weight[:channels] = (matrix @ weight).view_as(conv.weight[:channels]).to(conv.weight)
    conv.bias[:channels] = (matrix @ bias + shift).to(conv.bias)


def _compose_after(conv: Any, matrix: Tensor, shift: Tensor) -> None:
    """Precedes the convolution by matrix and shift."""
    weight = conv.weight.flatten(1).double()
    conv.bias += (weight @ shift).to(conv.bias)
    conv.weight[:] = (weight @ matrix).view_as(conv.weight).to(conv.weight)
