"""Lets frozen layers keep their weights in 8-bit floats and cast them when they run: less memory, not quite the same
model. What was there waits in main memory and comes back as it was.

Each output channel has a scale of its own, so that e4m3 (Micikevicius et al. 2022) is used up to its largest number.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .checkpointing import wrapped

HAS_FP8 = hasattr(torch, "float8_e4m3fn")
LARGEST = 448.0
"""Of e4m3's numbers."""


@dataclass(frozen=True)
class Storable:
    """Layers whose weights can be kept in fp8."""

    layers: Sequence[nn.Module]

    @property
    def saving(self) -> int:
        """Bytes that this frees on their device."""
        return sum(weight.nbytes - weight.numel() for weight in map(_weight_of, self.layers))


def find_storable(layers_by_level: dict[int, list[nn.Module]]) -> Storable:
    """The linear layers and convolutions within those layers whose weights are in 16 or 32 bits."""
    parts = {part for layers in layers_by_level.values() for layer in layers for part in layer.modules()}
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return Storable([part for part in parts if isinstance(part, kinds) and _weight_of(part).itemsize > 1])


def _weight_of(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


@contextmanager
def stored_in_fp8(layers: Sequence[nn.Module]) -> Iterator[None]:
    """Within the block the layers keep fp8; after it, however it ends, they hold every bit of what they held.

    A layer's cast weight lives as long as its forward, or the backward that saved it: checkpoint what is around it.
    """
    kept: list[tuple[Tensor, Tensor, torch.device]] = []
    small: dict[nn.Module, _Small] = {}
    try:
        for layer in layers:
            weight = _weight_of(layer)
            small[layer] = _Small.of(weight)
            original = weight.data
            kept.append((weight, original.cpu(), original.device))
            weight.data = original.new_empty(()).expand(original.shape)  # has its shape and takes no memory
            del original
        with wrapped(list(layers), lambda layer, forward: _casting(layer, small[layer], forward)):
            yield
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # what failed still holds the room that the originals need
        raise
    finally:
        small.clear()
        _bring_back(kept)


def _bring_back(kept: Sequence[tuple[Tensor, Tensor, torch.device]]) -> None:
    """The originals of weights to their devices. Where there is no room all are whole, if in main memory."""
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
