"""The memory modes of training: which of them fits, and what each does to the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from .checkpointing import CHECKPOINTING_MODES, checkpointed, choose_layers
from .footprint import LOWEST, RECOMPUTING, Footprint, Layers, list_layers
from .fp8 import find_storable, saves_memory, stored_in_fp8
from .recomputation import recomputing

AUTO = "auto"
MEMORY_MODES = (AUTO, *CHECKPOINTING_MODES, LOWEST)
"""All but `lowest` give the same gradients."""
USABLE = 0.9
"""The share of free memory that a mode may be predicted to take. Kernels need the rest."""


def choose_mode(footprint: Footprint, free: int | None) -> str:
    """Returns the fastest mode whose step fits into `free` bytes beside the weights; `balanced` where free is None."""
    if free is None:
        return "balanced"
    room = USABLE * free + footprint.weights
    return next((mode for mode in CHECKPOINTING_MODES if footprint.predict(mode) <= room), LOWEST)


def next_lower(mode: str, device: torch.device) -> str | None:
    """Returns the mode that takes less memory than this one, or None if there is none."""
    modes = MEMORY_MODES[1:] if saves_memory(device) else MEMORY_MODES[1:-1]
    return modes[modes.index(mode) + 1] if mode in modes[:-1] else None


@contextmanager
def in_mode(mode: str, layers: Layers, device: torch.device) -> Iterator[None]:
    """Within the block, a model's layers save memory as the mode says.

    On a CPU and on a Mac `lowest` is `low`: weights in 8 bits would lie in the same memory as their originals.
    """
    in_8_bits = mode == LOWEST and saves_memory(device)
    again = choose_layers(layers, "low" if mode == LOWEST else mode)
    saving = recomputing(list_layers(layers)) if mode == RECOMPUTING else nullcontext()
    with stored_in_fp8(find_storable(layers).layers if in_8_bits else []), saving, checkpointed(again):
        yield
