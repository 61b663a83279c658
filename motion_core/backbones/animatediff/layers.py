"""The adaptable layers of a Stable Diffusion UNet with motion modules.

Temporal ones bear the keys of motion-module files (`...temporal_transformer.transformer_blocks.0.attention_blocks.0`),
spatial ones diffusers' names (`down_blocks.0.attentions.0...`), also where the host numbers its UNet's blocks.
"""

import re
from dataclasses import replace

from torch import nn

from ..layers import Layer, find_layers_within
from .sites import find_temporal_transformers

_DIFFUSERS = re.compile(r"(?:down_blocks\.\d+|mid_block|up_blocks\.\d+)\.attentions\.\d+")
_HOST = re.compile(r"(input|middle|output)_blocks?\.(\d+)(?:\.\d+)?")
_PER_LEVEL = 3
"""Blocks in a level of the host's numbering: two with a resnet and a downsampling one; on the way up three resnets."""


def find_adaptable_layers(module: nn.Module) -> list[Layer]:
    """The layers of the motion modules, in the order in which the model runs them, then of the spatial transformers."""
    layers = []
    for home, transformer, _ in find_temporal_transformers(module):
        for layer in find_layers_within(transformer, home, temporal=True):
            name = re.sub(r"\.attn([12])\.", lambda own: f".attention_blocks.{int(own[1]) - 1}.", layer.name)
            layers.append(replace(layer, name=name))
    for name, part in module.named_modules():
        spatial = _spatial_name(name) if hasattr(part, "transformer_blocks") else None
        if spatial:
            layers += find_layers_within(part, spatial, temporal=False)
    return layers


def _spatial_name(name: str) -> str | None:
    """diffusers' name of a spatial transformer that has this name in diffusers or in the host; None for others."""
    if _DIFFUSERS.fullmatch(name):
        return name
    host = _HOST.fullmatch(name)
    if not host:
        return None
    if host[1] == "middle":
        return "mid_block.attentions.0"
    index = int(host[2]) - (host[1] == "input")  # input block 0 is the first convolution
    side = "down" if host[1] == "input" else "up"
    return f"{side}_blocks.{index // _PER_LEVEL}.attentions.{index % _PER_LEVEL}"
