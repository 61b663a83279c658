"""The loss on noise samples that are never trained on, always the same ones. Benchmarks compare by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..diffusion.noise_samples import NoiseSample
from ..motions.motion import Motion
from .observer import Snapshot


@dataclass(eq=False)
class Validation:
    """An `Observer` that computes the loss after every `every` steps. losses: (step, loss)."""

    samples: Sequence[NoiseSample]
    every: int = 50
    losses: list[tuple[int, float]] = field(default_factory=list)
    kept: Motion | None = None

    def begin(self) -> None:
        self.losses.clear()

    def is_due(self, step: int, steps: int) -> bool:
        return step % self.every == 0 or step == steps

    def observe(self, snapshot: Snapshot) -> bool:
        losses = [snapshot.evaluate(sample).float() for sample in self.samples]
        self.losses.append((snapshot.step, torch.stack(losses).mean().item()))
        return False

    def describe(self) -> dict[str, Any]:
        return {}
