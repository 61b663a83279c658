"""Trades time for memory in learning: parts of a model forget their activations and compute them again.

The switch is a wrapped `forward` on a child, gone when the `with` block ends. Children are wrapped, not the block
that holds them: a host may call the children one by one and never the block itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from .errors import OptionError

MEMORY_MODES = ("fast", "balanced", "low")


@contextmanager
def checkpointed(layers: list[nn.Module]) -> Iterator[None]:
    """Within the block, each layer computes its forward again in backward instead of keeping activations."""
    wrapped: list[tuple[nn.Module, bool, Any]] = []
    try:
        for layer in layers:
            wrapped.append((layer, "forward" in vars(layer), vars(layer).get("forward")))
            layer.forward = _forgetful(layer.forward)  # type: ignore[method-assign]
        yield
    finally:
        for layer, had_own, own in wrapped:
            if had_own:
                layer.forward = own  # type: ignore[method-assign]
            else:
                del layer.forward


def _forgetful(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)

    return run


def choose_layers(layers_by_level: dict[int, list[nn.Module]], memory: str) -> list[nn.Module]:
    """What a memory mode wraps: `fast` nothing, `balanced` the high-resolution level (0), `low` everything.

    layers_by_level: level (how often the picture has been halved) -> layers that run there.
    """
    if memory not in MEMORY_MODES:
        raise OptionError(f"memory is {memory!r}; use one of {', '.join(MEMORY_MODES)}")
    if memory == "fast":
        return []
    levels = [0] if memory == "balanced" else sorted(layers_by_level)
    return [layer for level in levels for layer in layers_by_level.get(level, [])]
