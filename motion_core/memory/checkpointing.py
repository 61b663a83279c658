"""Activation checkpointing: layers drop their activations and compute them again in backward.

Children are wrapped, not the block that holds them: a host may call the children one by one and never the block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FunctionType
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..errors import OptionError
from .wrapped_forward import Forward, wrapped

CHECKPOINTING_MODES = ("fast", "balanced", "low")


@contextmanager
def checkpointed(layers: list[nn.Module]) -> Iterator[None]:
    """Within the block, each layer computes its forward again in backward instead of keeping activations."""
    with wrapped(layers, _checkpoint_layer):
        yield


def choose_layers(layers_by_level: dict[int, list[nn.Module]], mode: str) -> list[nn.Module]:
    """Returns the layers that a mode checkpoints: `fast` none, `balanced` those of level 0, `low` all.

    layers_by_level: level (how often the picture has been halved) -> layers that run there. Raises OptionError.
    """
    if mode not in CHECKPOINTING_MODES:
        raise OptionError(f"memory is {mode!r}; use one of {', '.join(CHECKPOINTING_MODES)}")
    if mode == "fast":
        return []
    levels = [0] if mode == "balanced" else sorted(layers_by_level)
    return [layer for level in levels for layer in layers_by_level.get(level, [])]


def _checkpoint_layer(layer: nn.Module, forward: Forward) -> Forward:
    norms = [kind for part in layer.modules() for kind in type(part).__mro__ if issubclass(kind, nn.GroupNorm)]

    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        functions = {kind: _functions(kind) for kind in norms}
        states = {switch: dict(vars(switch)) for switch in _find_switches(layer)}
        return checkpoint(
            forward,
            *args,
            use_reentrant=False,
            preserve_rng_state=False,
            context_fn=lambda: (nullcontext(), _restored(functions, states)),
            **kwargs,
        )

    return run


def _functions(kind: type) -> dict[str, Any]:
    return {name: member for name, member in vars(kind).items() if isinstance(member, FunctionType)}


def _find_switches(layer: nn.Module) -> set[Any]:
    """The live switches of all hooks within a layer, see `motion_core.hooks.live_switch`."""
    hooks = (h for part in layer.modules() for h in (*part._forward_pre_hooks.values(), *part._forward_hooks.values()))
    return {hook.switch for hook in hooks if hasattr(hook, "switch")}


@contextmanager
def _restored(functions: dict[type, dict[str, Any]], states: dict[Any, dict[str, Any]]) -> Iterator[None]:
    """Within the block, what may change between a forward and its recomputation is as it was in the forward.

    That is the state of the switches, and the functions of group norms: AnimateDiff-Evolved swaps the latter, for v1
    motion modules, for the duration of the forward.
    """
    functions_now = {kind: _functions(kind) for kind in functions}
    states_now = {switch: dict(vars(switch)) for switch in states}
    try:
        _set_functions(functions)
        _set_states(states)
        yield
    finally:
        _set_functions(functions_now)
        _set_states(states_now)


def _set_states(states: dict[Any, dict[str, Any]]) -> None:
    for switch, state in states.items():
        vars(switch).update(state)


def _set_functions(functions: dict[type, dict[str, Any]]) -> None:
    for kind, members in functions.items():
        for name, member in members.items():
            if vars(kind).get(name) is not member:
                setattr(kind, name, member)
