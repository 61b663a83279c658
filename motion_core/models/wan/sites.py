"""The self-attentions of Wan's transformer, named as its checkpoints name them: `blocks.0.self_attn`."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..sites import AttentionSite
from ..token_layout import TemporalTokens, TokenLayout
from .attention import AttentionLayers, find_cross_attention, find_self_attention, is_wan
from .rotary import NormAndRotate
from .tokens import PatchTokens


def list_sites(module: Any) -> list[AttentionSite]:
    """Sites in the order in which the model runs them; empty for another architecture."""
    if not is_wan(module):
        return []
    # a reference picture's tokens lie before the video's
    tokens = PatchTokens(module, module.patch_embedding, getattr(module, "ref_conv", None))
    return [
        _make_site(f"blocks.{number}.self_attn", find_self_attention(block), tokens)
        for number, block in enumerate(module.blocks)
    ]


def list_cross_attentions(module: Any) -> list[AttentionSite]:
    """The attentions to the text, in the order in which the model runs them."""
    return [
        _make_site(f"blocks.{number}.cross_attn", find_cross_attention(block), TemporalTokens())
        for number, block in enumerate(module.blocks)
    ]


def group_by_level(module: Any) -> dict[int, list[nn.Module]]:
    """The transformer's blocks, all at the only level."""
    return {0: [*module.blocks]}


def _make_site(name: str, layers: AttentionLayers, tokens: TokenLayout) -> AttentionSite:
    q, k, v, out, heads, norm_q, norm_k = layers
    compared = NormAndRotate(norm_q, norm_k, heads) if isinstance(tokens, PatchTokens) else None
    return AttentionSite(name, q, k, v, q.in_features, out, heads, tokens, compared=compared)
