"""The memory of a training step, measured on one forward and predicted for each memory mode."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from .checkpointing import choose_layers
from .fp8 import find_storable, saves_memory
from .recomputation import Recomputable, recomputing
from .tensor_memory import TensorMemory
from .wrapped_forward import Forward, wrapped

LOWEST = "lowest"
RECOMPUTING = "balanced"
"""The mode that recomputes norms and activations: `fast` keeps them, and `low` keeps nothing of a layer anyway."""
Layers = dict[int, list[nn.Module]]
Stored = dict[nn.Module | None, set[StorageWeakRef]]


@dataclass(eq=False)
class Footprint:
    """What one forward leaves behind for its backward, in bytes.

    weights: of the model; trained: the parameters that are trained and the optimizer's state; gradient: of those
    parameters; working: the most that a layer has alive while it runs, if it keeps nothing; saved: what each layer
    keeps; recomputed: what is left of that in the mode that recomputes.
    """

    layers: Layers
    weights: int
    trained: int
    gradient: int
    device: torch.device
    working: int = 0
    sizes: dict[StorageWeakRef, int] = field(default_factory=dict)
    saved: Stored = field(default_factory=lambda: defaultdict(set))
    recomputed: Stored = field(default_factory=lambda: defaultdict(set))
    inputs: Stored = field(default_factory=lambda: defaultdict(set))

    def predict(self, mode: str) -> int:
        """Predicts the peak of a step: weights, trained parameters, and what backward needs."""
        again = set(choose_layers(self.layers, "low" if mode == LOWEST else mode))
        again = {layer for layer in again if self.saved.get(layer)}  # a layer without trained parts keeps nothing
        saved = self.recomputed if mode == RECOMPUTING else self.saved
        kept = set().union(*(refs for layer, refs in saved.items() if layer not in again))
        kept = kept.union(*(self.inputs[layer] for layer in again))
        largest = max((self._bytes(self.saved[layer] - kept) for layer in again), default=0)
        gradients = 2 * max(self.sizes.values(), default=0)
        in_8_bits = mode == LOWEST and saves_memory(self.device)
        weights = self.weights - (find_storable(self.layers).saving if in_8_bits else 0)
        return weights + self.trained + self.gradient + self._bytes(kept) + max(largest + gradients, self.working)

    def _bytes(self, refs: set[StorageWeakRef]) -> int:
        return sum(self.sizes[ref] for ref in refs)


def measure_footprint(
    module: nn.Module,
    layers: Layers,
    parameters: Sequence[Tensor],
    forward: Callable[[], Tensor],
    *,
    averaged: bool = False,
) -> Footprint:
    """Runs `forward` once with gradients to `parameters`, counts what autograd saves, and drops it at once.

    averaged: whether an average of the parameters is kept beside the optimizer's two moments.
    """
    state = [*module.parameters(), *module.buffers()]
    gradient = sum(parameter.nbytes for parameter in parameters)
    weights, trained = sum(tensor.nbytes for tensor in state), (3 + averaged) * gradient
    footprint = Footprint(layers, weights, trained, gradient, parameters[0].device)
    own = {StorageWeakRef(tensor.untyped_storage()) for tensor in (*state, *parameters)}
    running: list[nn.Module | None] = [None]

    def count(tensor: Tensor, where: set[StorageWeakRef]) -> None:
        ref = StorageWeakRef(tensor.untyped_storage())
        if ref not in own:
            footprint.sizes.setdefault(ref, tensor.untyped_storage().nbytes())
            where.add(ref)

    def watch(layer: nn.Module, own_forward: Forward) -> Forward:
        def run(*args: Any, **kwargs: Any) -> Any:
            for value in (*args, *kwargs.values()):
                if isinstance(value, Tensor):
                    count(value, footprint.inputs[layer])
            running.append(layer)
            before = alive.peak = alive.now
            try:
                return own_forward(*args, **kwargs)
            finally:
                running.pop()
                footprint.working = max(footprint.working, alive.peak - before)

        return run

    def drop(tensor: Tensor) -> None:
        packed = recomputation.pack(tensor)
        count(tensor, footprint.saved[running[-1]])
        count(packed.kept if isinstance(packed, Recomputable) else tensor, footprint.recomputed[running[-1]])

    everything = list_layers(layers)
    with (
        wrapped(everything, watch),
        recomputing(everything) as recomputation,
        TensorMemory() as alive,
        torch.autograd.graph.saved_tensors_hooks(drop, _refuse_backward),
    ):
        forward()
    return footprint


def list_layers(layers: Layers) -> list[nn.Module]:
    """Lists the layers of all levels."""
    return [layer for level in layers.values() for layer in level]


def _refuse_backward(_: None) -> Tensor:
    raise AssertionError("a forward that is only counted has no backward")
