"""The host's conditionings, as it prepares them for a sampling."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor

Conditioning = list[dict[str, Any]]
"""The parts of a CONDITIONING."""


def cut_frames(conditioning: Conditioning, frames: int, count: int) -> Conditioning:
    """Returns a conditioning that was prepared for a video of some latent frames for the first `count` of them."""
    if count == frames:
        return conditioning
    return [
        {**entry, "model_conds": {name: _cut(part, frames, count) for name, part in entry["model_conds"].items()}}
        for entry in conditioning
    ]


def _cut(part: Any, frames: int, count: int) -> Any:
    value = getattr(part, "cond", None)
    if not isinstance(value, Tensor) or value.ndim != 5 or value.shape[2] != frames:
        return part
    shorter = copy.copy(part)
    shorter.cond = value[:, :, :count]
    return shorter
