"""How much memory is free, and giving memory back."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch

FindFree = Callable[[torch.device], int | None]
"""Returns the bytes that are free on a device, or None where that is unknown."""


def find_free(device: torch.device) -> int | None:
    """Returns the bytes that are free on a device, or None where that is unknown."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type in ("cpu", "mps"):  # a Mac's GPU has the same memory
        return find_free_main()
    return None


def find_free_main() -> int | None:
    """Returns the bytes of this machine's main memory that are free, or None where that is unknown."""
    try:
        import psutil  # every ComfyUI has it
    except ImportError:
        return _read_available()
    return psutil.virtual_memory().available


def return_unused(device: torch.device) -> None:
    """Gives the device the memory back that nothing refers to any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    if device.type == "mps":
        torch.mps.empty_cache()


def format_bytes(size: int) -> str:
    """Formats a number of bytes for people."""
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:.1f} MiB"


def _read_available() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
