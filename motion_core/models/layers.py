"""The layers that an adapter may change, and selections of them by meaning."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from ..errors import ModelError, OptionError


@dataclass(frozen=True)
class Layer:
    """A linear layer or a convolution of a transformer or a temporal convolution block.

    name: the family's public checkpoint key without `.weight`. kind: `self_q`, `self_k`, `self_v`, `self_out`, the
    same with `cross_` (attention to the text), `feed_forward`, `projection` or `convolution`. temporal: whether it
    works along the frames.
    """

    name: str
    module: nn.Module
    kind: str
    temporal: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """(out, in, *kernel) of its weight, as the layer says it: a host may store the weight in another form."""
        layer: nn.Module = self.module
        if isinstance(layer, nn.Linear):
            return layer.out_features, layer.in_features
        return layer.out_channels, layer.in_channels // layer.groups, *layer.kernel_size  # type: ignore


_SELF_QKV = ("self_q", "self_k", "self_v")
_SELF = (*_SELF_QKV, "self_out")
_SELECTIONS: dict[str, Callable[[Layer], bool]] = {
    "temporal_qkv": lambda layer: layer.temporal and layer.kind in _SELF_QKV,
    "temporal_attention": lambda layer: layer.temporal and layer.kind in _SELF,
    "temporal_transformer": lambda layer: layer.temporal and layer.kind not in ("projection", "convolution"),
    "temporal": lambda layer: layer.temporal,
    "cross_kv": lambda layer: not layer.temporal and layer.kind in ("cross_k", "cross_v"),
    "spatial_transformer": lambda layer: not layer.temporal and layer.kind in (*_SELF, "feed_forward"),
    "spatial": lambda layer: not layer.temporal,
}
LAYER_CHOICES = tuple(_SELECTIONS)


def select_layers(layers: Sequence[Layer], which: str) -> list[Layer]:
    """The layers that `which` means, in the order given; several selections are joined with " + ".

    `temporal_qkv`: q, k, v of temporal self-attention (VMC). `temporal_attention`: its output layer too.
    `temporal_transformer`: attention and feed-forward along time (MotionDirector's temporal path).
    `temporal`: all that works along time, projections and convolutions too (Customizing Motion).
    `cross_kv`: k, v of the attention to the text. `spatial_transformer`: self-attention and feed-forward within
    frames (MotionDirector's spatial path). `spatial`: every layer of those transformers. Or a regular expression
    searched for in the names. Raises OptionError when that is none, ModelError when one of them matches nothing.
    """
    chosen: set[str] = set()
    for word in which.split(" + "):
        matches = _SELECTIONS.get(word) or _pattern(word)
        found = {layer.name for layer in layers if matches(layer)}
        if not found:
            raise ModelError(f"layers is {word!r}, which matches none of this model's; use {_choices()}")
        chosen |= found
    return [layer for layer in layers if layer.name in chosen]


def _pattern(word: str) -> Callable[[Layer], bool]:
    try:
        pattern = re.compile(word or "(")  # an empty one would match all
    except re.error as error:
        raise OptionError(f"layers is {word!r}, which is no regular expression ({error}); use {_choices()}") from None
    return lambda layer: pattern.search(layer.name) is not None


def _choices() -> str:
    return f"one of {', '.join(LAYER_CHOICES)}, several of them with ' + ' between, or a regular expression"


def find_layers_within(part: nn.Module, home: str, *, temporal: bool) -> list[Layer]:
    """The linear layers and 3D convolutions of a transformer or a temporal convolution, named behind `home`."""
    modules = dict(part.named_modules())
    return [
        Layer(f"{home}.{path}", layer, _kind(path, modules), temporal)
        for path, layer in modules.items()
        if isinstance(layer, (nn.Linear, nn.Conv3d))
    ]


def _kind(path: str, modules: dict[str, nn.Module]) -> str:
    if isinstance(modules[path], nn.Conv3d):
        return "convolution"
    attention, _, own = path.partition(".to_")  # as transformer_blocks.0.attn2 and out.0
    if not own:
        return "feed_forward" if ".ff." in path else "projection"
    cross = getattr(modules[attention], "is_cross_attention", attention.endswith("attn2"))
    return f"{'cross' if cross else 'self'}_{own.partition('.')[0]}"
