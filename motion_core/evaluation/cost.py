"""Measures the time and memory of a piece of work."""

from __future__ import annotations

import ctypes
import gc
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Cost:
    """seconds: on the clock; peak: MiB at the most, of the GPU where there is one, else of this process; 0: unknown."""

    seconds: float = 0.0
    peak: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """Yields the cost of the block, which is known when it ends."""
    cost, started = Cost(), time.monotonic()
    _forget_peak()
    yield cost
    cost.peak = _read_peak()
    cost.seconds = time.monotonic() - started


def _forget_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    elif _RESET.exists():
        _return_unused()
        with suppress(OSError):  # a container may forbid it
            _RESET.write_text("5", encoding="ascii")  # Linux: the high-water mark of resident memory starts anew


def _return_unused() -> None:
    """Gives the system the memory that the C library holds in reserve, which would count as used."""
    gc.collect()
    with suppress(OSError, AttributeError):  # a function of glibc's
        ctypes.CDLL(None).malloc_trim(0)


def _read_peak() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    status = _STATUS.read_text(encoding="utf-8") if _STATUS.exists() else ""
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0
