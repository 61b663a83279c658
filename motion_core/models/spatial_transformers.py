"""The transformers that work within frames, under diffusers' names, and in each its cross-attention to the text."""

from collections.abc import Iterable, Iterator
from typing import Any

from .sites import AttentionSite

Home = tuple[str, int, Any]
"""(name, level, transformer)."""


def find_in_diffusers(module: Any) -> Iterator[Home]:
    """Those of a diffusers UNet with `down_blocks`, `mid_block` and `up_blocks`, in the order in which it runs."""
    deepest = len(module.down_blocks) - 1
    blocks = [(f"down_blocks.{index}", index, block) for index, block in enumerate(module.down_blocks)]
    blocks += [("mid_block", deepest, module.mid_block)]
    blocks += [(f"up_blocks.{index}", deepest - index, block) for index, block in enumerate(module.up_blocks)]
    for home, level, block in blocks:
        for number, transformer in enumerate(getattr(block, "attentions", ())):
            yield f"{home}.attentions.{number}", level, transformer


def find_attn2(homes: Iterable[Home]) -> list[AttentionSite]:
    """The cross-attention of each block of the transformers."""
    return [
        AttentionSite.of(block.attn2, f"{home}.transformer_blocks.{depth}.attn2", level=level, own="attn2")
        for home, level, transformer in homes
        for depth, block in enumerate(transformer.transformer_blocks)
    ]
