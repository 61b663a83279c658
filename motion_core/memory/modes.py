"""How much memory a step of learning takes in each memory mode: counted on one forward, picked by what is free."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from .checkpointing import checkpointed, choose_layers, wrapped
from .fp8 import HAS_FP8, find_storable, stored_in_fp8
from .recomputation import Remade, thrifty
from .tensor_memory import Allocations

AUTO, LOWEST = "auto", "lowest"
LEARNING_MODES = (AUTO, "fast", "balanced", "low", LOWEST)
"""Of Motion Inversion's learning. All but `lowest` give the same gradients."""
THRIFTY = "balanced"
"""The mode that keeps nothing that is cheap to compute again: `fast` has no need to, and `low` keeps nothing anyway."""
SPARE = 0.9
"""The share of free memory that a mode may be predicted to take, as kernels need some for themselves."""
Layers = dict[int, list[nn.Module]]
Stored = dict[nn.Module | None, set[StorageWeakRef]]


@dataclass(eq=False)
class Footprint:
    """What one forward would leave behind for its backward, in bytes.

    weights: of the model; trained: what is learnt and what the optimiser keeps of it; gradient: of that; working: the
    most that a layer has alive at a time when it keeps nothing; saved, thrifty: what each layer keeps, and what is left
    of it without all that is cheap to compute again.
    """

    layers: Layers
    weights: int
    trained: int
    gradient: int
    device: torch.device
    working: int = 0
    sizes: dict[StorageWeakRef, int] = field(default_factory=dict)
    saved: Stored = field(default_factory=lambda: defaultdict(set))
    thrifty: Stored = field(default_factory=lambda: defaultdict(set))
    inputs: Stored = field(default_factory=lambda: defaultdict(set))

    def predict(self, mode: str) -> int:
        """The peak of a step, with all that stays: weights, what is trained, and what backward needs."""
        again = set(choose_layers(self.layers, "low" if mode == LOWEST else mode))
        again = {layer for layer in again if self.saved.get(layer)}  # nothing is kept where nothing is trained
        saved = self.thrifty if mode == THRIFTY else self.saved
        kept = set().union(*(refs for layer, refs in saved.items() if layer not in again))
        kept = kept.union(*(self.inputs[layer] for layer in again))
        largest = max((self._bytes(self.saved[layer] - kept) for layer in again), default=0)
        gradients = 2 * max(self.sizes.values(), default=0)
        small = mode == LOWEST and rests_elsewhere(self.device)
        weights = self.weights - (find_storable(self.layers).saving if small else 0)
        return weights + self.trained + self.gradient + self._bytes(kept) + max(largest + gradients, self.working)

    def _bytes(self, refs: set[StorageWeakRef]) -> int:
        return sum(self.sizes[ref] for ref in refs)


def count(
    module: nn.Module,
    layers: Layers,
    parameters: Sequence[Tensor],
    predict: Callable[[], Tensor],
    averaged: bool = False,
) -> Footprint:
    """Run `predict` once with gradients to `parameters`, and drop what autograd would keep as soon as it is counted.

    averaged: whether the optimiser keeps an average beside its two moments.
    """
    state = [*module.parameters(), *module.buffers()]
    gradient = sum(parameter.nbytes for parameter in parameters)
    weights, trained = sum(tensor.nbytes for tensor in state), (3 + averaged) * gradient
    footprint = Footprint(layers, weights, trained, gradient, parameters[0].device)
    own = {StorageWeakRef(tensor.untyped_storage()) for tensor in (*state, *parameters)}
    running: list[nn.Module | None] = [None]

    def note(tensor: Tensor, where: set[StorageWeakRef]) -> None:
        ref = StorageWeakRef(tensor.untyped_storage())
        if ref not in own:
            footprint.sizes.setdefault(ref, tensor.untyped_storage().nbytes())
            where.add(ref)

    def watched(layer: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            for value in (*args, *kwargs.values()):
                if isinstance(value, Tensor):
                    note(value, footprint.inputs[layer])
            running.append(layer)
            before = alive.peak = alive.now
            try:
                return forward(*args, **kwargs)
            finally:
                running.pop()
                footprint.working = max(footprint.working, alive.peak - before)

        return run

    def drop(tensor: Tensor) -> None:
        packed = thrift.pack(tensor)
        note(tensor, footprint.saved[running[-1]])
        note(packed.kept if isinstance(packed, Remade) else tensor, footprint.thrifty[running[-1]])

    everything = list_layers(layers)
    with (
        wrapped(everything, watched),
        thrifty(everything) as thrift,
        Allocations() as alive,
        torch.autograd.graph.saved_tensors_hooks(drop, _never),
    ):
        predict()
    return footprint


def list_layers(layers: Layers) -> list[nn.Module]:
    return [layer for level in layers.values() for layer in level]


def _never(_: None) -> Tensor:
    raise AssertionError("a forward that is only counted has no backward")


def pick(footprint: Footprint, free: int | None) -> str:
    """The fastest mode whose step fits into what is free beside the weights; where that is not known, `balanced`."""
    if free is None:
        return "balanced"
    room = SPARE * free + footprint.weights
    return next((mode for mode in ("fast", "balanced", "low") if footprint.predict(mode) <= room), LOWEST)


def next_lower(mode: str, device: torch.device) -> str | None:
    """The mode that takes less than this one, if there is one."""
    modes = LEARNING_MODES[1:] if rests_elsewhere(device) else LEARNING_MODES[1:-1]
    return modes[modes.index(mode) + 1] if mode in modes[:-1] else None


def rests_elsewhere(device: torch.device) -> bool:
    """Whether weights in fp8 save memory there: the originals wait in main memory."""
    return HAS_FP8 and device.type != "cpu"


FindFree = Callable[[torch.device], int | None]
"""Gives the bytes that are free on a device, or None where that can't be known."""


def find_free(device: torch.device) -> int | None:
    """Bytes that are free, or None where that can't be known."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type == "cpu":
        return find_free_main()
    return None


def return_unused(device: torch.device) -> None:
    """Gives memory back that nothing refers to any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def find_free_main() -> int | None:
    """Bytes of this machine's memory that are free."""
    try:
        import psutil  # every ComfyUI has it
    except ImportError:
        return _read_available()
    return psutil.virtual_memory().available


def _read_available() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None


@dataclass(frozen=True)
class MemoryUse:
    """What learning took. mode: as it ran; picked: whether it picked the mode itself; predicted, measured: peak bytes,
    with the weights; how: what measured them; fell_back: whether a faster mode ran out of memory before.
    """

    mode: str
    picked: bool
    predicted: int
    measured: int
    how: str
    fell_back: bool = False

    def __str__(self) -> str:
        """In lines that a node of usual width shows whole."""
        picked = " (picked by free memory)" if self.picked else ""
        lines = [f"memory {self.mode}{picked}", f"peak {say(self.measured)}, {say(self.predicted)} predicted"]
        fell = ["a faster mode ran out of memory"] if self.fell_back else []
        return "\n".join([*lines, *fell, f"counted: {self.how}"])


def say(size: int) -> str:
    """Bytes for people."""
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:.1f} MiB"


class Peak:
    """The most memory that a step took. On a GPU its allocator counts, all the time; elsewhere the tensors of the
    first step are counted, since every step is like it.
    """

    def __init__(self, device: torch.device, footprint: Footprint):
        self.device = device
        self.resident = footprint.weights + footprint.trained  # the gradient comes with the step
        self.alive: Allocations | None = None
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Around each step."""
        if self.device.type == "cuda" or self.alive is not None:
            yield
            return
        with Allocations() as self.alive:
            yield

    def read(self) -> tuple[int, str]:
        """Bytes, and what counted them."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device), "CUDA's allocator"
        return self.resident + (self.alive.peak if self.alive else 0), "tensors of the first step"


@contextmanager
def in_mode(mode: str, layers: Layers, device: torch.device, compiled: bool = False) -> Iterator[None]:
    """Within the block a model's layers save memory as the mode says. On a CPU `lowest` is `low`: the originals of
    weights in fp8 would lie in the same memory. compiled: torch.compile itself keeps nothing that is cheap.
    """
    small = mode == LOWEST and rests_elsewhere(device)
    again = choose_layers(layers, "low" if mode == LOWEST else mode)
    saving = thrifty(list_layers(layers)) if mode == THRIFTY and not compiled else nullcontext()
    with stored_in_fp8(find_storable(layers).layers if small else []), saving, checkpointed(again):
        yield
