"""Activation recomputation: backward keeps the inputs of norms and activations and computes their outputs again.

These functions are cheap to compute, and the results are the same bits. The code that calls them stays as it is:
their outputs are recognised at the moment when autograd is about to save them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .wrapped_forward import Forward, wrapped

CHEAP = (functional.group_norm, functional.silu, functional.gelu)
"""Functions of a first tensor whose time is that of reading and writing memory."""
GATED = "GEGLU"
"""The name, in diffusers and in hosts, of the layer that multiplies by a gelu which is no module."""


@dataclass(frozen=True, eq=False)
class Recomputable:
    """A tensor that is not kept but computed again. source: what it is computed from; version: of its storage."""

    function: Callable[..., Tensor]
    source: Tensor | Recomputable
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shape: torch.Size
    version: int

    @torch.no_grad()
    def compute(self) -> Tensor:
        source = self.source.compute() if isinstance(self.source, Recomputable) else self.source
        return self.function(source, *self.args, **self.kwargs)

    @property
    def kept(self) -> Tensor:
        """The tensor that is kept in its place."""
        return self.source.kept if isinstance(self.source, Recomputable) else self.source


@dataclass(eq=False)
class Recomputation:
    """The tensors, by their storage, that are alive and can be computed again."""

    known: dict[int, Recomputable] = field(default_factory=dict)

    def pack(self, tensor: Tensor) -> Tensor | Recomputable:
        """Returns what autograd keeps of a tensor."""
        known = self.known.get(tensor.untyped_storage()._cdata)
        same = known and known.shape == tensor.shape and known.version == tensor._version and tensor.is_contiguous()
        return known if known and same else tensor

    def unpack(self, packed: Tensor | Recomputable) -> Tensor:
        return packed.compute() if isinstance(packed, Recomputable) else packed

    def record(self, function: Callable[..., Tensor], tensor: Tensor, args: Any, kwargs: Any) -> Tensor:
        """Calls the function, and remembers how to compute its output for as long as that is alive."""
        output = function(tensor, *args, **kwargs)
        storage, old = output.untyped_storage(), tensor.untyped_storage()
        alike = output.is_contiguous() and output.dtype == tensor.dtype  # autocast changes the type
        if output.requires_grad and storage._cdata != old._cdata and alike:
            source = self.pack(tensor.detach())
            self.known[storage._cdata] = Recomputable(function, source, args, kwargs, output.shape, output._version)
            weakref.finalize(storage, self.known.pop, storage._cdata, None)
        return output


class _Recording(TorchFunctionMode):
    def __init__(self, recomputation: Recomputation):
        super().__init__()
        self.recomputation = recomputation

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in CHEAP and args and torch.is_grad_enabled():
            return self.recomputation.record(func, args[0], args[1:], kwargs or {})
        return func(*args, **(kwargs or {}))


@contextmanager
def recomputing(layers: Iterable[nn.Module]) -> Iterator[Recomputation]:
    """Within the block, the layers' forwards keep nothing that is cheap to compute again."""
    recomputation = Recomputation()

    def record(layer: nn.Module, forward: Forward) -> Forward:
        own = "forward" in vars(layer)

        def run(*args: Any, **kwargs: Any) -> Any:
            with _Recording(recomputation):
                # looked up at the call, since a host may swap the forward of a norm's class for one forward
                return forward(*args, **kwargs) if own else type(layer).forward(layer, *args, **kwargs)

        return run

    parts = dict.fromkeys(part for layer in layers for part in layer.modules() if _is_cheap(part))
    hooks = torch.autograd.graph.saved_tensors_hooks(recomputation.pack, recomputation.unpack)
    with wrapped(list(parts), record), hooks:
        yield recomputation


def _is_cheap(part: nn.Module) -> bool:
    return isinstance(part, (nn.GroupNorm, nn.SiLU)) or type(part).__name__ == GATED
