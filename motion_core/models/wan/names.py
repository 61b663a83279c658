"""The names that Wan's own checkpoints and ComfyUI have for the weights of diffusers' classes."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TRANSFORMER = {
    "condition_embedder.time_embedder.linear_1.": "time_embedding.0.",
    "condition_embedder.time_embedder.linear_2.": "time_embedding.2.",
    "condition_embedder.time_proj.": "time_projection.1.",
    "condition_embedder.text_embedder.linear_1.": "text_embedding.0.",
    "condition_embedder.text_embedder.linear_2.": "text_embedding.2.",
    ".attn1.": ".self_attn.",
    ".attn2.": ".cross_attn.",
    ".to_q.": ".q.",
    ".to_k.": ".k.",
    ".to_v.": ".v.",
    ".to_out.0.": ".o.",
    ".ffn.net.0.proj.": ".ffn.0.",
    ".ffn.net.2.": ".ffn.2.",
    ".norm2.": ".norm3.",
    ".scale_shift_table": ".modulation",
}
_RESIDUAL = {
    "norm1.": "residual.0.",
    "conv1.": "residual.2.",
    "norm2.": "residual.3.",
    "conv2.": "residual.6.",
    "conv_shortcut.": "shortcut.",
}
_AUTOENCODER = {
    "post_quant_conv.": "conv2.",
    "quant_conv.": "conv1.",
    ".conv_in.": ".conv1.",
    "norm_out.": "head.0.",
    "conv_out.": "head.2.",
    "mid_block.resnets.0.": "middle.0.",
    "mid_block.attentions.0.": "middle.1.",
    "mid_block.resnets.1.": "middle.2.",
    "down_blocks.": "downsamples.",
}
_UP = re.compile(r"up_blocks\.(\d+)\.(resnets|upsamplers)\.(\d+)\.")
_PARTS_PER_LEVEL = 4
"""Three residual blocks and an upsampler."""


def name_in_transformer(name: str) -> str:
    """The name in Wan's checkpoints of a weight of `WanTransformer3DModel`."""
    if name == "scale_shift_table":
        return "head.modulation"
    if name.startswith("proj_out."):
        return name.replace("proj_out.", "head.head.")
    return _replaced(name, _TRANSFORMER)


def name_in_autoencoder(name: str) -> str:
    """The name in Wan's checkpoints of a weight of `AutoencoderKLWan`."""
    if ".resnets." in name or ".down_blocks." in name:
        name = _replaced(name, _RESIDUAL)
    up = _UP.search(name)
    if up:
        level, kind, number = int(up[1]), up[2], int(up[3])
        part = _PARTS_PER_LEVEL * level + (number if kind == "resnets" else _PARTS_PER_LEVEL - 1)
        name = name.replace(up[0], f"upsamples.{part}.")
    return _replaced(name, _AUTOENCODER)


def _replaced(name: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        name = name.replace(old, new)
    return name
