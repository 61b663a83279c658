"""Stores the weights of frozen layers in 8-bit floats during training. Each layer casts its weight when it runs.

This takes less memory and changes the model a little. The originals are kept in main memory and put back afterwards.
Each output channel has its own scale, so that the whole range of e4m3 is used (Micikevicius et al. 2022).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .wrapped_forward import wrapped

HAS_FP8 = hasattr(torch, "float8_e4m3fn")
LARGEST = 448.0
"""The largest number of e4m3."""


@dataclass(frozen=True)
class Storable:
    """Layers whose weights can be kept in fp8."""

    layers: Sequence[nn.Module]

    @property
    def saving(self) -> int:
        """Bytes that become free on their device."""
        return sum(weight.nbytes - weight.numel() for weight in map(_weight_of, self.layers))


def find_storable(layers_by_level: dict[int, list[nn.Module]]) -> Storable:
    """Returns the linear layers and convolutions within those layers whose weights are in 16 or 32 bits."""
    parts = {part for layers in layers_by_level.values() for layer in layers for part in layer.modules()}
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return Storable([part for part in parts if isinstance(part, kinds) and _weight_of(part).itemsize > 1])


def _weight_of(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def saves_memory(device: torch.device) -> bool:
    """Whether weights in fp8 save memory on a device. On a CPU the originals would lie in the same memory, and so they
    would on a Mac, whose GPU has no fp8 either.
    """
    return HAS_FP8 and device.type not in ("cpu", "mps")


@contextmanager
def stored_in_fp8(layers: Sequence[nn.Module]) -> Iterator[None]:
    """Within the block the layers store fp8. Afterwards, also after an error, they hold the same bits as before.

    A layer's cast weight lives until its forward ends, or until a backward that saved it: use checkpointing around it.
    """
    kept: list[tuple[Tensor, Tensor, torch.device]] = []
    small: dict[nn.Module, _Small] = {}
    try:
        for layer in layers:
            weight = _weight_of(layer)
            small[layer] = _Small.of(weight)
            original = weight.data
            kept.append((weight, original.cpu(), original.device))
            weight.data = original.new_empty(()).expand(original.shape)  # the same shape, and no memory
            del original
        with wrapped(list(layers), lambda layer, forward: _casting(layer, small[layer], forward)):
            yield
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # they hold memory that the originals need
        raise
    finally:
        small.clear()
        _bring_back(kept)


def _bring_back(kept: Sequence[tuple[Tensor, Tensor, torch.device]]) -> None:
    """Moves the originals to their devices. Where one does not fit, all are complete in main memory."""
    for weight, original, _ in kept:
        weight.data = original
    for weight, original, device in kept:
        weight.data = original.to(device)


def _casting(layer: nn.Module, small: _Small, forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        empty = layer._parameters["weight"]
        layer._parameters["weight"] = small.cast()  # type: ignore[assignment]  # not .data: backward looks at it later
        try:
            return forward(*args, **kwargs)
        finally:
            layer._parameters["weight"] = empty

    return run


@dataclass(frozen=True)
class _Small:
    """A weight in fp8. scale: (out, 1, ...) in the weight's own precision."""

    numbers: Tensor
    scale: Tensor

    @classmethod
    def of(cls, weight: Tensor) -> _Small:
        largest = weight.detach().flatten(1).abs().amax(1).float() / LARGEST
        scale = largest.to(weight.dtype).clamp(min=torch.finfo(weight.dtype).smallest_normal)
        scale = scale.reshape(-1, *[1] * (weight.ndim - 1))
        return cls((weight.detach().float() / scale.float()).to(torch.float8_e4m3fn), scale)

    def cast(self) -> Tensor:
        return self.numbers.to(self.scale.dtype) * self.scale
