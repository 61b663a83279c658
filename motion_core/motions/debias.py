"""Take what does not change between frames out of a value embedding, so that it can't carry appearance."""

import torch
from torch import Tensor

from ..errors import OptionError

DEBIAS_MODES = ("difference", "mean", "none")


def frame_difference(v: Tensor) -> Tensor:
    """The first frame, then each frame minus the one before. v and result: (HW, N, C). Motion Inversion, eq. 5."""
    _check_layout(v)
    return torch.cat([v[:, :1], v.diff(dim=1)], dim=1)


def subtract_mean(v: Tensor) -> Tensor:
    """v minus its mean over frames. v and result: (HW, N, C). Motion Inversion, the normalize ablation."""
    _check_layout(v)
    return v - v.mean(dim=1, keepdim=True)


def undo_difference(v: Tensor) -> Tensor:
    """The running sum over frames, which undoes `frame_difference`. v and result: (HW, N, C)."""
    _check_layout(v)
    return v.cumsum(dim=1)


def debias(v: Tensor, mode: str) -> Tensor:
    """v debiased by one of `DEBIAS_MODES`. v and result: (HW, N, C), already at the length it will be used at.

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
