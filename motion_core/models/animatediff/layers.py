"""The adaptable layers of a Stable Diffusion UNet with motion modules.

Temporal ones bear the keys of motion-module files (`...temporal_transformer.transformer_blocks.0.attention_blocks.0`),
spatial ones diffusers' names (`down_blocks.0.attentions.0...`), also where the host numbers its UNet's blocks.
"""

import re
from dataclasses import replace

from torch import nn

from ..layers import Layer, find_layers_within
from .sites import find_spatial_transformers, find_temporal_transformers


def list_layers(module: nn.Module) -> list[Layer]:
    """The layers of the motion modules, in the order in which the model runs them, then of the spatial transformers."""
    layers = []
    for home, transformer, _ in find_temporal_transformers(module):
        for layer in find_layers_within(transformer, home, temporal=True):
            name = re.sub(r"\.attn([12])\.", lambda own: f".attention_blocks.{int(own[1]) - 1}.", layer.name)
            layers.append(replace(layer, name=name))
    for home, _, spatial in find_spatial_transformers(module):
        layers += find_layers_within(spatial, home, temporal=False)
    return layers
