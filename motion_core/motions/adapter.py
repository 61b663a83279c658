"""Adapters: low-rank changes and full changes of the weights of chosen layers, kept apart from the model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ..errors import OptionError
from ..models.layers import Layer
from .adapter_file import AdapterContent, read_adapter, write_adapter
from .adapter_parts import LowRank, Part, WeightDelta
from .apply_settings import AdapterSettings, ApplySettings
from .origin import Origin


@dataclass(frozen=True)
class Adapter:
    """What the methods train that change a model's layers: layer's name -> part."""

    family: str
    parts: Mapping[str, Part]
    origin: Origin = Origin()
    settings_type: ClassVar[type[ApplySettings]] = AdapterSettings

    def __post_init__(self) -> None:
        if not self.parts:
            raise OptionError("an adapter needs at least one part; learn it on at least one layer")

    @classmethod
    def low_rank(
        cls, family: str, layers: Sequence[Layer], rank: int = 32, *, alpha: float | None = None, seed: int = 0
    ) -> Adapter:
        """Makes what training starts from: float32, up zero, down normal with deviation 1 / r (MotionDirector's code).

        A rank above a layer's width is that width. Only the seed decides; global random state is not touched.
        Raises OptionError for a rank below 1 and for a convolution.
        """
        if rank < 1:
            raise OptionError(f"rank is {rank}; choose 1 or more (32 is usual)")
        generator = torch.Generator().manual_seed(seed)
        parts = {}
        for layer in layers:
            if len(layer.shape) != 2:
                raise OptionError(f"{layer.name} is a convolution and has no low rank here; learn its whole weight")
            width_out, width_in = layer.shape
            r = min(rank, width_out, width_in)
            down = torch.randn(r, width_in, generator=generator) / r
            parts[layer.name] = LowRank(down, torch.zeros(width_out, r), alpha)
        return cls(family, parts)

    @classmethod
    def deltas(cls, family: str, layers: Sequence[Layer]) -> Adapter:
        """Makes what training starts from: float32 zeros for each weight, and for each bias that there is."""
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
    def frames(self) -> int:
        """The length of the clip that it was trained on, 0 where unknown."""
        return int(self.origin.recipe.get("frames", 0))

    @property
    def parameters(self) -> list[Tensor]:
        """All tensors, in a fixed order."""
        return [tensor for name in sorted(self.parts) for tensor in self.parts[name].tensors]

    def map(self, change: Callable[[Tensor], Tensor]) -> Adapter:
        """Returns a copy with change(tensor) for each tensor."""
        return replace(self, parts={name: part.map(change) for name, part in self.parts.items()})

    def detached(self) -> Adapter:
        """Returns a copy that no later change of this one's tensors reaches."""
        return self.map(lambda t: t.detach().clone())

    def moved(self, device: torch.device | str) -> Adapter:
        """Returns a copy on another device."""
        return self.map(lambda t: t.to(device))

    def save(self, path: str | os.PathLike[str], dtype: torch.dtype = torch.float16) -> None:
        """Writes a `.safetensors` file, whole or not at all. Raises FileError."""
        write_adapter(AdapterContent(self.family, self.parts, self.origin), path, dtype)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Adapter:
        """Reads a file that `save` wrote, in float32. Raises FileError."""
        read = read_adapter(path)
        return cls(read.family, read.parts, read.origin)
