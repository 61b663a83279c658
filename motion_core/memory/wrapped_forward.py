"""Replaces the forward of layers for as long as a `with` block lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

Forward = Callable[..., Any]
Wrap = Callable[[nn.Module, Forward], Forward]
"""Makes a new forward of a layer and the forward that it has."""


@contextmanager
def wrapped(layers: Sequence[nn.Module], wrap: Wrap) -> Iterator[None]:
    """Within the block, each layer's forward is what `wrap` returns for it. Afterwards it is as before."""
    before: list[tuple[nn.Module, bool, Any]] = []
    try:
        for layer in layers:
            before.append((layer, "forward" in vars(layer), vars(layer).get("forward")))
            layer.forward = wrap(layer, layer.forward)  # type: ignore[method-assign]
        yield
    finally:
        for layer, had_own, own in reversed(before):
            if had_own:
                layer.forward = own  # type: ignore[method-assign]
            else:
                del layer.forward
