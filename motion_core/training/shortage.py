"""Running out of memory, as a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ..errors import MemoryShortage

_SIGNS = ("allocate memory", "not enough memory", "out of memory")
"""In the error of the CPU's allocator, of that on Windows, and of a Mac's GPU."""


@contextmanager
def explained(mode: str, latents: Tensor) -> Iterator[None]:
    """Raises MemoryShortage in place of out-of-memory errors, of a GPU or of this machine, within the block.

    mode: of memory; latents: (1, C, N, h, w) of what is trained on.
    """
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        cause = str(error).splitlines()[0] if str(error) else "out of memory"
        if not isinstance(error, torch.OutOfMemoryError) and not any(sign in cause for sign in _SIGNS):
            raise
        n, h, w = latents.shape[2:]
        lower = "" if mode in ("low", "lowest") else "memory 'low', "
        raise MemoryShortage(
            f"learning on {n} frames of {h}x{w} latents ran out of memory ({cause}); "
            f"use {lower}fewer frames or a smaller size"
        ) from error
