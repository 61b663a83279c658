"""The host's conditionings, as it prepares them for a sampling."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

Conditioning = list[dict[str, Any]]
"""The parts of a CONDITIONING."""

_POOLED = "pooled_output"
"""The host's name for a text as one vector."""


def cut_frames(conditioning: Conditioning, frames: int, count: int) -> Conditioning:
    """Returns a conditioning that was prepared for a video of some latent frames for the first `count` of them."""
    if count == frames:
        return conditioning
    return [
        {**entry, "model_conds": {name: _cut(part, frames, count) for name, part in entry["model_conds"].items()}}
        for entry in conditioning
    ]


def without_text(conditioning: list[Any]) -> list[Any]:
    """Returns a CONDITIONING without what its text says, as the host's Conditioning Zero Out does: for guidance where
    there is no negative prompt.
    """
    return [
        [torch.zeros_like(text), rest | {_POOLED: torch.zeros_like(rest[_POOLED])} if _has_pooled(rest) else rest]
        for text, rest in conditioning
    ]


def _has_pooled(rest: dict[str, Any]) -> bool:
    return isinstance(rest.get(_POOLED), Tensor)


def _cut(part: Any, frames: int, count: int) -> Any:
    value = getattr(part, "cond", None)
    if not isinstance(value, Tensor) or value.ndim != 5 or value.shape[2] != frames:
        return part
    shorter = copy.copy(part)
    shorter.cond = value[:, :, :count]
    return shorter
