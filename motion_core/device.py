"""The choice of a torch device, and what a device lacks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .errors import OptionError

DEVICES = ("cuda", "mps", "cpu")
"""Best first. mps: the GPU of a Mac."""
_PROCESSORS = {"cuda": "CUDA GPU", "mps": "GPU of a Mac"}
_WITHOUT_FLOAT64 = ("mps",)


def choose_device(device: str | None = None, *, among: Sequence[str] = DEVICES) -> str:
    """Returns the given device; for None, the first of `among` that torch finds.

    Raises OptionError for `cuda` and `mps` if torch finds no such GPU.
    """
    if device is None:
        return next(name for name in among if _is_there(name))
    kind = torch.device(device).type
    if not _is_there(kind):
        raise OptionError(
            f"device is {device!r} and torch {torch.__version__} finds no {_PROCESSORS[kind]}; "
            f"use --device cpu, or install a torch that was built with {kind.upper()}"
        )
    return device


def _is_there(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_available()
    return kind != "mps" or torch.backends.mps.is_available()


def fitting_dtype(device: torch.device | str, dtype: torch.dtype) -> torch.dtype:
    """Returns `dtype`, or float32 where the device lacks it: a Mac's GPU has no bfloat16 before macOS 14."""
    try:
        torch.empty(1, dtype=dtype, device=device)
    except (TypeError, RuntimeError):
        return torch.float32
    return dtype


def widest_dtype(device: torch.device) -> torch.dtype:
    """Returns the most precise floats of a device: float64, and float32 on a Mac's GPU."""
    return torch.float32 if device.type in _WITHOUT_FLOAT64 else torch.float64


def moved_like(tensor: Tensor, like: Tensor) -> Tensor:
    """Returns a tensor in the precision and on the device of another, converted before it is moved: float64 can't be
    moved to a Mac's GPU.
    """
    return tensor.to(like.dtype).to(like.device)
