"""The spatial cross-attentions to the text: `attn2` of each spatial transformer, under diffusers' names everywhere."""

from collections.abc import Iterable
from typing import Any

from .sites import AttentionSite


def find_in_diffusers(module: Any) -> list[AttentionSite]:
    """Those of a diffusers UNet with `down_blocks`, `mid_block` and `up_blocks`, in the order in which it runs."""
    deepest = len(module.down_blocks) - 1
    blocks = [(f"down_blocks.{index}", index, block) for index, block in enumerate(module.down_blocks)]
    blocks += [("mid_block", deepest, module.mid_block)]
    blocks += [(f"up_blocks.{index}", deepest - index, block) for index, block in enumerate(module.up_blocks)]
    return name_attn2(
        (f"{home}.attentions.{number}", level, transformer)
        for home, level, block in blocks
        for number, transformer in enumerate(getattr(block, "attentions", ()))
    )


def name_attn2(transformers: Iterable[tuple[str, int, Any]]) -> list[AttentionSite]:
    """The sites of spatial transformers, each given as (name, level, module)."""
    return [
        AttentionSite.of(block.attn2, f"{home}.transformer_blocks.{depth}.attn2", level=level, own="attn2")
        for home, level, transformer in transformers
        for depth, block in enumerate(transformer.transformer_blocks)
    ]
