"""The self-attentions of LTX's transformer, named as its checkpoints name them: `transformer_blocks.0.attn1`."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..sites import AttentionSite
from ..token_layout import TemporalTokens
from .tokens import LatentTokens


def is_ltx(module: Any) -> bool:
    """Whether a module is LTX's transformer, in diffusers' or in ComfyUI's form."""
    blocks = getattr(module, "transformer_blocks", None)
    if not isinstance(blocks, nn.ModuleList) or not len(blocks):
        return False
    attention = getattr(blocks[0], "attn1", None)
    own = hasattr(module, "patchify_proj") or (hasattr(module, "proj_in") and hasattr(module, "scale_shift_table"))
    return own and hasattr(attention, "to_q") and hasattr(blocks[0], "scale_shift_table")


def list_sites(module: Any) -> list[AttentionSite]:
    """Sites in the order in which the model runs them; empty for another architecture."""
    if not is_ltx(module):
        return []
    tokens = LatentTokens(module)
    return [
        AttentionSite.of(block.attn1, f"transformer_blocks.{number}.attn1", tokens)
        for number, block in enumerate(module.transformer_blocks)
    ]


def list_cross_attentions(module: Any) -> list[AttentionSite]:
    """The attentions to the text, in the order in which the model runs them."""
    return [
        AttentionSite.of(block.attn2, f"transformer_blocks.{number}.attn2", TemporalTokens())
        for number, block in enumerate(module.transformer_blocks)
    ]


def group_by_level(module: Any) -> dict[int, list[nn.Module]]:
    """The transformer's blocks, all at the only level."""
    return {0: [*module.transformer_blocks]}
