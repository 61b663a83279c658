"""Debiasing: removes from a value embedding what is the same in all frames, so that it carries no appearance."""

import torch
from torch import Tensor

from ..errors import OptionError

DEBIAS_MODES = ("difference", "mean", "none")


def frame_difference(v: Tensor) -> Tensor:
    """Returns the first frame, then each frame minus the one before (Motion Inversion, eq. 5).

    v and result: (HW, N, C). Raises OptionError for another layout.
    """
    _check_layout(v)
    return torch.cat([v[:, :1], v.diff(dim=1)], dim=1)


def subtract_mean(v: Tensor) -> Tensor:
    """Returns v minus its mean over frames. v and result: (HW, N, C). Motion Inversion, the normalize ablation."""
    _check_layout(v)
    return v - v.mean(dim=1, keepdim=True)


def undo_difference(v: Tensor) -> Tensor:
    """Returns the running sum over frames, the inverse of `frame_difference`. v and result: (HW, N, C)."""
    _check_layout(v)
    return v.cumsum(dim=1)


def debias(v: Tensor, mode: str) -> Tensor:
    """Returns v debiased by one of `DEBIAS_MODES`. v and result: (HW, N, C), already at its final length.

    Raises OptionError for another mode or layout.
    """
    if mode == "difference":
        return frame_difference(v)
    if mode == "mean":
        return subtract_mean(v)
    if mode == "none":
        return v
    raise OptionError(f"debias mode '{mode}' is unknown; choose one of {', '.join(DEBIAS_MODES)}")


def _check_layout(v: Tensor) -> None:
    if v.ndim != 3:
        raise OptionError(f"a value embedding of shape {tuple(v.shape)} can't be debiased; give it as (HW, N, C)")
