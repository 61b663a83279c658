"""The machine that a benchmark runs on."""

from __future__ import annotations

import datetime
import platform
import time

import torch

PEAK_TFLOPS = {"H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362, "RTX 4090": 165, "RTX 3090": 71}
"""Dense, of 16-bit tensor cores that accumulate in 32 bits, by the vendor's data sheets."""


def now(device: torch.device) -> float:
    """Returns seconds: of the processor, or on a GPU of the clock once its work is done."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def describe_machine(device: torch.device) -> str:
    """Describes hardware, versions and date, for the line under a table."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{torch.get_num_threads()} threads of {_find_processor()}, processor time"
    return f"{name}, torch {torch.__version__}, {datetime.date.today().isoformat()}"


def find_peak(device: torch.device) -> float | None:
    """Returns the TFLOP/s of a known GPU, None for another device."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for known, peak in PEAK_TFLOPS.items() if all(word in name for word in known.split())), None)


def _find_processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
