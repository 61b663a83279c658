"""The parts of a block of Wan's transformer, in diffusers' and in ComfyUI's names."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn


class AttentionLayers(NamedTuple):
    """The linear layers of an attention, the number of its heads, and the norms of its queries and keys."""

    q: nn.Linear
    k: nn.Linear
    v: nn.Linear
    out: nn.Linear
    heads: int
    norm_q: nn.Module | None
    norm_k: nn.Module | None


def is_wan(module: Any) -> bool:
    """Whether a module is Wan's transformer, in either form."""
    blocks = getattr(module, "blocks", None)
    if not isinstance(blocks, nn.ModuleList) or not len(blocks) or not hasattr(module, "patch_embedding"):
        return False
    return hasattr(blocks[0], "self_attn") or (hasattr(blocks[0], "attn1") and hasattr(module, "condition_embedder"))


def find_self_attention(block: Any) -> AttentionLayers:
    return _find_layers(block.self_attn if hasattr(block, "self_attn") else block.attn1)


def find_cross_attention(block: Any) -> AttentionLayers:
    return _find_layers(block.cross_attn if hasattr(block, "cross_attn") else block.attn2)


def find_feed_forward(block: Any) -> tuple[nn.Linear, nn.Linear]:
    """Its first and its last layer."""
    ffn = block.ffn
    return (ffn.net[0].proj, ffn.net[2]) if hasattr(ffn, "net") else (ffn[0], ffn[2])


def _find_layers(attention: Any) -> AttentionLayers:
    norms = (getattr(attention, "norm_q", None), getattr(attention, "norm_k", None))
    if hasattr(attention, "to_q"):
        layers = (attention.to_q, attention.to_k, attention.to_v, attention.to_out[0])
        return AttentionLayers(*layers, attention.heads, *norms)
    return AttentionLayers(attention.q, attention.k, attention.v, attention.o, attention.num_heads, *norms)
