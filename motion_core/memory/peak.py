"""The peak memory of training, measured beside its prediction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from .footprint import Footprint
from .free_memory import format_bytes
from .tensor_memory import TensorMemory


@dataclass(frozen=True)
class MemoryUse:
    """The memory that training took. mode: in which it ran; chosen: whether it was chosen automatically; predicted,
    measured: peak bytes with the weights; how: what measured them; fell_back: whether a faster mode ran out of memory.
    """

    mode: str
    chosen: bool
    predicted: int
    measured: int
    how: str
    fell_back: bool = False

    def __str__(self) -> str:
        """Lines that a node of usual width shows whole."""
        chosen = " (picked by free memory)" if self.chosen else ""
        lines = [
            f"memory {self.mode}{chosen}",
            f"peak {format_bytes(self.measured)}, {format_bytes(self.predicted)} predicted",
        ]
        fallback = ["a faster mode ran out of memory"] if self.fell_back else []
        return "\n".join([*lines, *fallback, f"counted: {self.how}"])


class PeakMeter:
    """Measures the peak of the steps. On a GPU its allocator counts all of them; elsewhere the tensors of the first
    step are counted, since every step is like it.
    """

    def __init__(self, device: torch.device, footprint: Footprint):
        self.device = device
        self.resident = footprint.weights + footprint.trained  # the gradient is made in the step
        self.first_step: TensorMemory | None = None
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Surrounds each step."""
        if self.device.type == "cuda" or self.first_step is not None:
            yield
            return
        with TensorMemory() as self.first_step:
            yield

    def read(self) -> tuple[int, str]:
        """Returns the peak in bytes, and what counted it."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device), "CUDA's allocator"
        return self.resident + (self.first_step.peak if self.first_step else 0), "tensors of the first step"
