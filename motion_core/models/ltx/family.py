"""The LTX family."""

from typing import NoReturn

from torch import nn

from ...errors import ModelError
from ..family import Family
from .layers import list_layers
from .sites import group_by_level, list_cross_attentions, list_sites


def find_features(module: nn.Module, block: str) -> NoReturn:
    """Raises ModelError: DMT's features are those of a UNet's way up."""
    raise ModelError("LTX's transformer has no levels, and DMT takes its features from one; use another method")


LTX = Family(
    "ltx", list_sites, list_layers, list_cross_attentions, group_by_level, find_features, 32, frames_per_latent=8
)
