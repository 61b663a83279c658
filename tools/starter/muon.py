"""Muon: the optimiser that orthogonalises the momentum of each matrix (Jordan et al. 2024)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic Newton-Schulz iteration, which brings all singular values near 1 in five rounds."""
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Trains weights of two or more dimensions. Convolutions are matrices of (out, in * taps)."""

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 1e-2):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # torch's may return a loss
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, group)

    def _update(self, p: nn.Parameter, group: dict[str, Any]) -> None:
        momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
        momentum.mul_(group["momentum"]).add_(p.grad)
        direction = orthogonalise((p.grad + group["momentum"] * momentum).flatten(1))
        p.mul_(1 - group["lr"] * group["weight_decay"])
        tall = max(1.0, direction.shape[0] / direction.shape[1]) ** 0.5
        p.add_(direction.view_as(p), alpha=-group["lr"] * tall)


def orthogonalise(matrix: Tensor) -> Tensor:
    """(m, n) -> (m, n), with all singular values near 1."""
    a, b, c = COEFFICIENTS
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / (wide.norm() + 1e-7)
    for _ in range(ROUNDS):
        gram = wide @ wide.T
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide
