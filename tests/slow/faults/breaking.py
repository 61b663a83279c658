"""Faults that end a run at one of its operators or at one of its progress updates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

PROGRESS, FORWARD, BACKWARD = "progress", "forward", "backward"


class Cancelled(Exception):
    """What a host raises from a progress update once a person has cancelled."""


@dataclass(frozen=True)
class Fault:
    """place: where it strikes; make: gives the error; lasting: whether all later operators there fail too."""

    name: str
    place: str
    make: Callable[[], BaseException]
    lasting: bool = False


def _no_main_memory() -> RuntimeError:
    return RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried")


FAULTS = (
    Fault("cancel", PROGRESS, Cancelled),
    Fault("Ctrl-C", FORWARD, KeyboardInterrupt),
    Fault("GPU memory", FORWARD, lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
    Fault("Ctrl-C in backward", BACKWARD, KeyboardInterrupt),
    Fault("main memory in backward", BACKWARD, _no_main_memory, True),
)


@dataclass
class Breaking(TorchDispatchMode):
    """Within the block the number-th operator, or progress update, in the fault's place raises. seen: how many of each
    place there were. Without a fault it counts alone.
    """

    fault: Fault | None = None
    number: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__init__()

    def update(self, *_: Any) -> None:
        """A callback for any run."""
        self._pass(PROGRESS)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._pass(FORWARD if torch._C._current_graph_task_id() == -1 else BACKWARD)
        return func(*args, **(kwargs or {}))

    def _pass(self, place: str) -> None:
        self.seen[place] += 1
        if self.fault is None or self.fault.place != place:
            return
        if self.seen[place] == self.number or (self.fault.lasting and self.seen[place] > self.number):
            raise self.fault.make()
