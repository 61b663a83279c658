"""Forward hooks that add an adapter's output to the output of its layers.

W x + dW x = (W + dW) x. The weights themselves are never touched, so the host may keep them anywhere and in any form.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..models.families import recognize
from ..models.layers import Layer
from ..motions.adapter import Adapter, Part
from ..motions.apply_settings import check_strength
from .live_switch import LiveSwitch


class AdapterHooks:
    """An adapter made ready for a model. It keeps the parts in the model's device and precision, so that sampling moves
    them once. Raises ModelError when the model lacks a layer, OptionError for a strength out of range.
    """

    def __init__(self, module: nn.Module, adapter: Adapter, strength: float = 1.0):
        check_strength("strength", strength)
        matched = match_layers(module, adapter)
        self.additions = [(layer, _Addition(part, strength)) for layer, part in matched] if strength else []

    @contextmanager
    def attached(self) -> Iterator[LiveSwitch]:
        """Within the block every forward of the model applies the adapter, as the switch says."""
        switch = LiveSwitch()
        with ExitStack() as hooks:
            for layer, addition in self.additions:
                hook = _Hook(addition, switch)
                hooks.callback(layer.module.register_forward_hook(hook, with_kwargs=True).remove)
            yield switch


@contextmanager
def inject_adapter(module: nn.Module, adapter: Adapter, strength: float = 1.0) -> Iterator[LiveSwitch]:
    """Within the block, every forward of `module` applies the adapter, times `strength`.

    Parts are used in the precision that the model computes in and keep their graph, so gradients reach them. With
    checkpointing, stay inside until backward has ended. A strength of 0 adds no hook. Blocks nest and add up.
    Raises ModelError when the model has no such layer.
    """
    with AdapterHooks(module, adapter, strength).attached() as switch:
        yield switch


def temporal_parts(module: nn.Module, adapter: Adapter) -> Adapter:
    """Returns the parts of an adapter that work along time. Raises ModelError when there are none."""
    names = {layer.name for layer, _ in match_layers(module, adapter) if layer.temporal}
    if not names:
        raise ModelError("nothing of this adapter works along time; apply all of it")
    return replace(adapter, parts={name: part for name, part in adapter.parts.items() if name in names})


def match_layers(module: nn.Module, adapter: Adapter) -> list[tuple[Layer, Part]]:
    """Finds the model's layers that the adapter names. Raises ModelError when family, names or shapes differ."""
    model = recognize(module)
    model.require(adapter.family)
    matched = [(layer, adapter.parts[layer.name]) for layer in model.list_layers() if layer.name in adapter.parts]
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
    """Changes the output of a layer while the switch is active."""

    addition: _Addition
    switch: LiveSwitch

    def __call__(self, layer: nn.Module, args: tuple, kwargs: dict, output: Tensor) -> Tensor | None:
        if not self.switch.active:
            return None
        self.switch.used = True
        return self.addition.added_to(output, layer, args[0] if args else kwargs["input"], self.switch.gate)


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
            rows = gate.to(added).repeat_interleave(len(added) // len(gate))  # the rows of a clip lie together
            added = added * rows.reshape(-1, *[1] * (added.ndim - 1))
        return torch.add(output, added, alpha=self.alpha)

    def _cast(self, like: Tensor) -> Part:
        """The part in the layer's device and precision, kept for the next forward unless it is trained."""
        key = (like.device, like.dtype)
        if self.last is not None and self.last[0] == key:
            return self.last[1]
        part = self.part.map(lambda t: t.to(like))
        if not any(t.requires_grad for t in self.part.tensors):
            self.last = (key, part)
        return part
