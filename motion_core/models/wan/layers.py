"""The adaptable layers of Wan's transformer, named as its checkpoints name them."""

from __future__ import annotations

from typing import Any

from ..layers import Layer
from .attention import AttentionLayers, find_cross_attention, find_feed_forward, find_self_attention


def list_layers(module: Any) -> list[Layer]:
    """The layers of all blocks in the order in which the model runs them.

    Self-attention works along the frames as well as within them, so its layers count as temporal.
    """
    layers = []
    for number, block in enumerate(module.blocks):
        home = f"blocks.{number}"
        layers += _name_attention(home, "self", find_self_attention(block), temporal=True)
        layers += _name_attention(home, "cross", find_cross_attention(block), temporal=False)
        first, last = find_feed_forward(block)
        layers += [Layer(f"{home}.ffn.{part}", each, "feed_forward", False) for part, each in ((0, first), (2, last))]
    return layers


def _name_attention(home: str, kind: str, layers: AttentionLayers, *, temporal: bool) -> list[Layer]:
    own = {"q": "q", "k": "k", "v": "v", "o": "out"}
    return [
        Layer(f"{home}.{kind}_attn.{name}", getattr(layers, part), f"{kind}_{part}", temporal)
        for name, part in own.items()
    ]
