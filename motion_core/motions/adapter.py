"""Adapters: low-rank changes and full changes of the weights of chosen layers, kept beside the model."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import OptionError
from ..models.layers import Layer
from .origin import Origin


@dataclass(frozen=True)
class LowRank:
    """A linear layer's W + alpha / r * up @ down (LoRA, Hu et al. 2021, sec. 4.1).

    down: (r, in). up: (out, r). alpha: None for a factor of 1, as in MotionDirector's files.
    """

    down: Tensor
    up: Tensor
    alpha: float | None = None

    def __post_init__(self) -> None:
        down, up = tuple(self.down.shape), tuple(self.up.shape)
        if len(down) != 2 or len(up) != 2 or down[0] != up[1] or not down[0]:
            raise OptionError(f"down has shape {down} and up {up}; a low-rank part has (r, in) and (out, r)")
        if self.alpha is not None and not math.isfinite(self.alpha):
            raise OptionError(f"alpha is {self.alpha}; choose a number, or None for a factor of 1")

    @property
    def shape(self) -> tuple[int, ...]:
        """(out, in) of the weight that it changes."""
        return self.up.shape[0], self.down.shape[1]

    @property
    def scale(self) -> float:
        return 1.0 if self.alpha is None else self.alpha / self.down.shape[0]

    @property
    def tensors(self) -> list[Tensor]:
        return [self.down, self.up]

    def map(self, on: Callable[[Tensor], Tensor]) -> LowRank:
        """A copy with on(tensor) for each tensor."""
        return replace(self, down=on(self.down), up=on(self.up))

    def output(self, _layer: nn.Module, x: Tensor) -> Tensor:
        """What it makes of a layer's input, before the scale."""
        return functional.linear(functional.linear(x, self.down), self.up)


@dataclass(frozen=True)
class WeightDelta:
    """A linear layer's or a convolution's W + weight and b + bias. weight: (out, in, *kernel). bias: (out,)."""

    weight: Tensor
    bias: Tensor | None = None
    scale: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.weight.ndim < 2 or (self.bias is not None and self.bias.shape != self.weight.shape[:1]):
            bias = None if self.bias is None else tuple(self.bias.shape)
            raise OptionError(
                f"weight has shape {tuple(self.weight.shape)} and bias {bias}; "
                "a weight delta has (out, in, ...) and (out,) or none"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """(out, in, *kernel) of the weight that it changes."""
        return tuple(self.weight.shape)

    @property
    def tensors(self) -> list[Tensor]:
        return [self.weight] if self.bias is None else [self.weight, self.bias]

    def map(self, on: Callable[[Tensor], Tensor]) -> WeightDelta:
        """A copy with on(tensor) for each tensor."""
        return WeightDelta(on(self.weight), None if self.bias is None else on(self.bias))

    def output(self, layer: nn.Module, x: Tensor) -> Tensor:
        """What it makes of a layer's input."""
        if isinstance(layer, nn.Linear):
            return functional.linear(x, self.weight, self.bias)
        return layer._conv_forward(x, self.weight, self.bias)  # type: ignore  # with its stride, padding and groups


Part = LowRank | WeightDelta


@dataclass(frozen=True)
class Adapter:
    """What is trained by the methods that change a model's layers: a part for each layer's name."""

    family: str
    parts: Mapping[str, Part]
    origin: Origin = Origin()

    def __post_init__(self) -> None:
        if not self.parts:
            raise OptionError("an adapter needs at least one part; learn it on at least one layer")

    @classmethod
    def low_rank(
        cls, family: str, layers: Sequence[Layer], rank: int = 32, alpha: float | None = None, seed: int = 0
    ) -> Adapter:
        """What learning starts from: float32, up zero, down normal with deviation 1 / r (MotionDirector's code).

        A rank above a layer's width is that width. The seed alone decides; global random state is not touched.
        """
        if rank < 1:
            raise OptionError(f"rank is {rank}; choose 1 or more (32 is usual)")
        generator = torch.Generator().manual_seed(seed)
        parts = {}
        for layer in layers:
            if len(layer.shape) != 2:
                raise OptionError(f"{layer.name} is a convolution and has no low rank here; learn its whole weight")
            out, into = layer.shape
            r = min(rank, out, into)
            parts[layer.name] = LowRank(torch.randn(r, into, generator=generator) / r, torch.zeros(out, r), alpha)
        return cls(family, parts)

    @classmethod
    def deltas(cls, family: str, layers: Sequence[Layer]) -> Adapter:
        """What learning starts from: float32 zeros for each weight, and for each bias that there is."""
        return cls(
            family,
            {
                layer.name: WeightDelta(
                    torch.zeros(layer.shape),
                    None if layer.module.bias is None else torch.zeros(layer.shape[0]),
                )
                for layer in layers
            },
        )

    @property
    def parameters(self) -> list[Tensor]:
        """All tensors, in a fixed order."""
        return [tensor for name in sorted(self.parts) for tensor in self.parts[name].tensors]

    def map(self, on: Callable[[Tensor], Tensor]) -> Adapter:
        """A copy with on(tensor) for each tensor."""
        return replace(self, parts={name: part.map(on) for name, part in self.parts.items()})

    def detached(self) -> Adapter:
        """A copy that no later change of this one's tensors reaches."""
        return self.map(lambda t: t.detach().clone())

    def moved(self, device: torch.device | str) -> Adapter:
        """A copy on another device."""
        return self.map(lambda t: t.to(device))

    def save(self, path: str | os.PathLike[str], dtype: torch.dtype = torch.float16) -> None:
        """Write a `.safetensors` file, whole or not at all. Raises FileError."""
        from .adapter_file import write_adapter

        write_adapter(self, path, dtype)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Adapter:
        """Read a file that `save` wrote, in float32. Raises FileError."""
        from .adapter_file import read_adapter

        return read_adapter(path)
