"""The adaptable layers of LTX's transformer, named as its checkpoints name them."""

from __future__ import annotations

from typing import Any

from ..layers import Layer

_PARTS = {"to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "out"}


def list_layers(module: Any) -> list[Layer]:
    """The layers of all blocks in the order in which the model runs them.

    Self-attention works along the frames as well as within them, so its layers count as temporal.
    """
    layers = []
    for number, block in enumerate(module.transformer_blocks):
        home = f"transformer_blocks.{number}"
        for own, kind in (("attn1", "self"), ("attn2", "cross")):
            layers += [
                Layer(f"{home}.{own}.{path}", block.get_submodule(f"{own}.{path}"), f"{kind}_{part}", kind == "self")
                for path, part in _PARTS.items()
            ]
        layers += [
            Layer(f"{home}.ff.{path}", block.get_submodule(f"ff.{path}"), "feed_forward", False)
            for path in ("net.0.proj", "net.2")
        ]
    return layers
