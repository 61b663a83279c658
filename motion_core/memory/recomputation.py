"""Keeps for backward nothing that is cheap to compute again: what norms and activations give is computed anew, from
their inputs, when backward asks for it. The numbers are the same.

What calls them need not be changed. Their outputs are recognised as autograd is about to keep them.
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

from .checkpointing import wrapped

CHEAP = (functional.group_norm, functional.silu, functional.gelu)
"""Functions of a first tensor, bound by how fast memory is."""
GATED = "GEGLU"
"""How diffusers and hosts call the layer that multiplies by a gelu that is no module."""


@dataclass(frozen=True, eq=False)
class Remade:
    """A tensor that is not kept. given: what it is computed from; version: how often it had been written to."""

    function: Callable[..., Tensor]
    given: Tensor | Remade
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shape: torch.Size
    version: int

    @torch.no_grad()
    def make(self) -> Tensor:
        return self.function(self.source(), *self.args, **self.kwargs)

    def source(self) -> Tensor:
        return self.given.make() if isinstance(self.given, Remade) else self.given

    @property
    def kept(self) -> Tensor:
        """What is kept in its place."""
        return self.given.kept if isinstance(self.given, Remade) else self.given


@dataclass(eq=False)
class Thrift:
    """Which of the tensors that are alive can be computed again, by their storage."""

    known: dict[int, Remade] = field(default_factory=dict)

    def pack(self, tensor: Tensor) -> Tensor | Remade:
        """What autograd is to keep of a tensor."""
        remade = self.known.get(tensor.untyped_storage()._cdata)
        same = remade and remade.shape == tensor.shape and remade.version == tensor._version and tensor.is_contiguous()
        return remade if remade and same else tensor

    def unpack(self, packed: Tensor | Remade) -> Tensor:
        return packed.make() if isinstance(packed, Remade) else packed

    def note(self, function: Callable[..., Tensor], given: Tensor, args: Any, kwargs: Any) -> Tensor:
        """Call the function, and remember how its output came to be for as long as that is alive."""
        output = function(given, *args, **kwargs)
        storage, old = output.untyped_storage(), given.untyped_storage()
        alike = output.is_contiguous() and output.dtype == given.dtype  # or else autocast had a hand in it
        if output.requires_grad and storage._cdata != old._cdata and alike:
            source = self.pack(given.detach())
            self.known[storage._cdata] = Remade(function, source, args, kwargs, output.shape, output._version)
            weakref.finalize(storage, self.known.pop, storage._cdata, None)
        return output


class _Noting(TorchFunctionMode):
    def __init__(self, thrift: Thrift):
        super().__init__()
        self.thrift = thrift

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in CHEAP and args and torch.is_grad_enabled():
            return self.thrift.note(func, args[0], args[1:], kwargs or {})
        return func(*args, **(kwargs or {}))


@contextmanager
def thrifty(layers: Iterable[nn.Module]) -> Iterator[Thrift]:
    """Within the block the layers' forwards keep nothing that is cheap to compute again."""
    thrift = Thrift()

    def noting(layer: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        own = "forward" in vars(layer)

        def run(*args: Any, **kwargs: Any) -> Any:
            with _Noting(thrift):  # a class's function is looked up now: a host may swap that of norms for a forward
                return forward(*args, **kwargs) if own else type(layer).forward(layer, *args, **kwargs)

        return run

    parts = dict.fromkeys(part for layer in layers for part in layer.modules() if _is_cheap(part))
    with wrapped(list(parts), noting), torch.autograd.graph.saved_tensors_hooks(thrift.pack, thrift.unpack):
        yield thrift


def _is_cheap(part: nn.Module) -> bool:
    return isinstance(part, (nn.GroupNorm, nn.SiLU)) or type(part).__name__ == GATED
