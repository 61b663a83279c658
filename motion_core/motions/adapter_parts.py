"""The parts of an adapter: a low-rank change or a full change of one layer's weight."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from ..errors import OptionError


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

    def map(self, change: Callable[[Tensor], Tensor]) -> LowRank:
        """Returns a copy with change(tensor) for each tensor."""
        return replace(self, down=change(self.down), up=change(self.up))

    def output(self, _layer: nn.Module, x: Tensor) -> Tensor:
        """Returns its output for a layer's input x, before the scale."""
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

    def map(self, change: Callable[[Tensor], Tensor]) -> WeightDelta:
        """Returns a copy with change(tensor) for each tensor."""
        return WeightDelta(change(self.weight), None if self.bias is None else change(self.bias))

    def output(self, layer: nn.Module, x: Tensor) -> Tensor:
        """Returns its output for a layer's input x."""
        if isinstance(layer, nn.Linear):
            return functional.linear(x, self.weight, self.bias)
        return layer._conv_forward(x, self.weight, self.bias)  # type: ignore  # with its stride, padding and groups


Part = LowRank | WeightDelta
