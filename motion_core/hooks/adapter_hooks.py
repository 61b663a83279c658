"""Puts an adapter to work in a model, for as long as a `with` block lasts.

A part adds to its layer's output: W x + dW x = (W + dW) x. The weights themselves are never touched, so it does not
matter where or in what form the model's host keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..models.family import find_adaptable_layers, require_family
from ..models.layers import Layer
from ..motions.adapter import Adapter, Part
from .embedding_hooks import check_strength


@dataclass(eq=False)
class Adaptation:
    """An adapter at work in a model.

    active: whether forwards feel it now. gate: how much of it each batch entry feels, (B,), or None for all of it.
    """

    active: bool = True
    gate: Tensor | None = None


class Adapting:
    """Hooks that let a model feel an adapter, ready to be switched on. It keeps the parts where and in what the model
    computes, so that many forwards, as in sampling, move them once. Raises ModelError when a layer is missing.
    """

    def __init__(self, module: nn.Module, adapter: Adapter, strength: float = 1.0):
        check_strength("strength", strength)
        matched = match_layers(module, adapter)
        self.additions = [(layer, _Addition(part, strength)) for layer, part in matched] if strength else []

    @contextmanager
    def at_work(self) -> Iterator[Adaptation]:
        """Within the block every forward of the model feels the adapter."""
        adaptation = Adaptation()
        with ExitStack() as hooks:
            for layer, addition in self.additions:
                hook = _Hook(addition, adaptation)
                hooks.callback(layer.module.register_forward_hook(hook, with_kwargs=True).remove)
            yield adaptation


@contextmanager
def adapt(module: nn.Module, adapter: Adapter, strength: float = 1.0) -> Iterator[Adaptation]:
    """Within the block, every forward of `module` feels the adapter, times `strength`.

    Parts are used in the precision that the model computes in, and keep their graph, so gradients reach them; with
    checkpointing, stay inside until backward is done: what `active` was in a forward holds when it is computed again.
    A zero strength adds no hook. Adaptations nest and add up. Raises ModelError when the model has no such layer.
    """
    with Adapting(module, adapter, strength).at_work() as adaptation:
        yield adaptation


def temporal_parts(module: nn.Module, adapter: Adapter) -> Adapter:
    """What of an adapter works along time. Raises ModelError when nothing does, or the model lacks a layer."""
    names = {layer.name for layer, _ in match_layers(module, adapter) if layer.temporal}
    if not names:
        raise ModelError("nothing of this adapter works along time; apply all of it")
    return replace(adapter, parts={name: part for name, part in adapter.parts.items() if name in names})


def match_layers(module: nn.Module, adapter: Adapter) -> list[tuple[Layer, Part]]:
    """The model's layers that the adapter speaks of. Raises ModelError when family, names or shapes differ."""
    require_family(module, adapter.family)
    matched = [
        (layer, adapter.parts[layer.name]) for layer in find_adaptable_layers(module) if layer.name in adapter.parts
    ]
    missing = set(adapter.parts) - {layer.name for layer, _ in matched}
    if missing:
        raise ModelError(f"this model has no layer {sorted(missing)[0]}; learn the motion again on this model")
    for layer, part in matched:
        if part.shape != layer.shape:
            raise ModelError(
                f"this motion changes weights of {part.shape} at {layer.name} and the model has {layer.shape}; "
                "learn it again on this model"
            )
    return matched


@dataclass(frozen=True, eq=False)
class _Hook:
    """After a layer: its output as `addition` makes it, as long as `live` says so."""

    addition: _Addition
    live: Adaptation

    def __call__(self, layer: nn.Module, args: tuple, kwargs: dict, output: Tensor) -> Tensor | None:
        if not self.live.active:
            return None
        return self.addition.added_to(output, layer, args[0] if args else kwargs["input"], self.live.gate)


class _Addition:
    """output + strength * scale * gate * the part's output."""

    def __init__(self, part: Part, strength: float):
        self.part, self.alpha = part, strength * part.scale
        self.last: tuple[Any, Part] | None = None

    def added_to(self, output: Tensor, layer: nn.Module, x: Tensor, gate: Tensor | None) -> Tensor:
        added = self._cast(x).output(layer, x)
        if gate is not None:
            if len(added) % len(gate):
                raise ModelError(f"a layer runs on {len(added)} rows, which {len(gate)} branches can't share")
            rows = gate.to(added).repeat_interleave(len(added) // len(gate))  # a clip's rows lie together, everywhere
            added = added * rows.reshape(-1, *[1] * (added.ndim - 1))
        return torch.add(output, added, alpha=self.alpha)

    def _cast(self, like: Tensor) -> Part:
        """The part where and in what the layer computes: kept, unless it is being learnt."""
        key = (like.device, like.dtype)
        if self.last is not None and self.last[0] == key:
            return self.last[1]
        part = self.part.map(lambda t: t.to(like))
        if not any(t.requires_grad for t in self.part.tensors):
            self.last = (key, part)
        return part
