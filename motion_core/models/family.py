"""One room per model family, with the same files in each: which sites, how to predict, which text and autoencoder."""

from torch import nn

from ..errors import ModelError
from . import animatediff, zeroscope
from .animatediff import layers as animatediff_layers
from .animatediff import sites as animatediff_sites
from .block_features import find_block_features
from .layers import LAYER_CHOICES, Layer, select_layers
from .sites import SITE_CHOICES, AttentionSite, group_by_block, select_sites
from .zeroscope import layers as zeroscope_layers
from .zeroscope import sites as zeroscope_sites

_FAMILIES = {zeroscope.FAMILY: zeroscope_sites, animatediff.FAMILY: animatediff_sites}
_LAYERS = {zeroscope.FAMILY: zeroscope_layers, animatediff.FAMILY: animatediff_layers}

__all__ = [
    "LAYER_CHOICES",
    "SITE_CHOICES",
    "AttentionSite",
    "Layer",
    "family_of",
    "find_adaptable_layers",
    "find_block_features",
    "find_cross_attentions",
    "find_modules_by_level",
    "find_sites",
    "group_by_block",
    "require_family",
    "select_layers",
    "select_sites",
]


def family_of(module: nn.Module) -> str:
    """The family whose temporal attention the module has. Raises ModelError when it is none that we know."""
    for family, room in _FAMILIES.items():
        if room.find_sites(module):
            return family
    raise ModelError(
        f"{type(module).__name__} has no temporal attention that we know; "
        f"load a text-to-video model of one of these families: {', '.join(_FAMILIES)}"
    )


def require_family(module: nn.Module, family: str) -> None:
    """Raises ModelError unless the model is of the family that a motion was learnt on."""
    own = family_of(module)
    if own != family:
        raise ModelError(
            f"this motion was learnt on the {family} family and the model is of the {own} family; "
            "learn it again on this model"
        )


def find_sites(module: nn.Module) -> list[AttentionSite]:
    """All attention sites of a model, in the order in which it runs. Raises ModelError as `family_of` does."""
    return _FAMILIES[family_of(module)].find_sites(module)


def find_modules_by_level(module: nn.Module) -> dict[int, list[nn.Module]]:
    """Level (how often the picture has been halved) -> the modules that run there, for checkpointing."""
    return _FAMILIES[family_of(module)].find_modules_by_level(module)


def find_adaptable_layers(module: nn.Module) -> list[Layer]:
    """The layers that an adapter may change. Raises ModelError as `family_of` does."""
    return _LAYERS[family_of(module)].find_adaptable_layers(module)


def find_cross_attentions(module: nn.Module) -> list[AttentionSite]:
    """All spatial cross-attentions to the text, in the order in which the model runs. Raises ModelError likewise."""
    return _FAMILIES[family_of(module)].find_cross_attentions(module)
