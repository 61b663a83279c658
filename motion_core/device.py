"""The choice of a torch device."""

from __future__ import annotations

import torch

from .errors import OptionError


def choose_device(device: str | None = None) -> str:
    """Returns the given device; for None, `cuda` if torch finds a GPU, else `cpu`.

    Raises OptionError for `cuda` if torch finds no GPU.
    """
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise OptionError(
            f"device is {device!r} and torch {torch.__version__} finds no CUDA GPU; "
            "use --device cpu, or install a torch that was built with CUDA"
        )
    return device
