"""Trades time for memory in learning: parts of a model forget their activations and compute them again.

The switch is a wrapped `forward` on a child, gone when the `with` block ends. Children are wrapped, not the block
that holds them: a host may call the children one by one and never the block itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import FunctionType
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..errors import OptionError

MEMORY_MODES = ("fast", "balanced", "low")


@contextmanager
def checkpointed(layers: list[nn.Module]) -> Iterator[None]:
    """Within the block, each layer computes its forward again in backward instead of keeping activations."""
    with wrapped(layers, _forgetful):
        yield


@contextmanager
def wrapped(
    layers: Sequence[nn.Module], wrap: Callable[[nn.Module, Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Within the block, each layer's forward is what `wrap` makes of the layer and the forward it has."""
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


def _forgetful(layer: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
    kinds = [kind for part in layer.modules() for kind in type(part).__mro__ if issubclass(kind, nn.GroupNorm)]

    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        then = {kind: _functions(kind) for kind in kinds}
        states = {live: dict(vars(live)) for live in _find_live(layer)}
        return checkpoint(
            forward,
            *args,
            use_reentrant=False,
            preserve_rng_state=False,
            context_fn=lambda: (nullcontext(), _as_in_the_forward(then, states)),
            **kwargs,
        )

    return run


def _functions(kind: type) -> dict[str, Any]:
    return {name: member for name, member in vars(kind).items() if isinstance(member, FunctionType)}


def _find_live(layer: nn.Module) -> set[Any]:
    """What the hooks of adaptations and injections within a layer go by."""
    hooks = (h for part in layer.modules() for h in (*part._forward_pre_hooks.values(), *part._forward_hooks.values()))
    return {hook.live for hook in hooks if hasattr(hook, "live")}


@contextmanager
def _as_in_the_forward(functions: dict[type, dict[str, Any]], states: dict[Any, dict[str, Any]]) -> Iterator[None]:
    """Put back what may have changed between a forward and its recomputation: whether adaptations are on, and the
    functions of group norms (AnimateDiff-Evolved swaps them, for v1 motion modules, for the forward alone).
    """
    functions_now = {kind: _functions(kind) for kind in functions}
    states_now = {live: dict(vars(live)) for live in states}
    try:
        _set_functions(functions)
        _set_states(states)
        yield
    finally:
        _set_functions(functions_now)
        _set_states(states_now)


def _set_states(states: dict[Any, dict[str, Any]]) -> None:
    for live, state in states.items():
        vars(live).update(state)


def _set_functions(functions: dict[type, dict[str, Any]]) -> None:
    for kind, members in functions.items():
        for name, member in members.items():
            if vars(kind).get(name) is not member:
                setattr(kind, name, member)


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
