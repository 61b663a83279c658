"""The adaptable layers of `UNet3DConditionModel`, under their own names."""

import re

from torch import nn

from ..layers import Layer, find_layers_within

_HOME = re.compile(r"(?:down_blocks\.\d+|mid_block|up_blocks\.\d+)\.(temp_attentions|temp_convs|attentions)\.\d+")


def list_layers(module: nn.Module) -> list[Layer]:
    """The layers of all transformers and temporal convolutions, `transformer_in` too, in the model's own order."""
    layers = []
    for name, part in module.named_modules():
        home = _HOME.fullmatch(name)
        if home or name == "transformer_in":
            layers += find_layers_within(part, name, temporal=home is None or home[1] != "attentions")
    return layers
