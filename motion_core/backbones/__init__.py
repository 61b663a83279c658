"""One room per model family, with the same files in each: which sites, how to predict, which text and autoencoder."""

from torch import nn

from ..errors import ModelError
from . import animatediff, zeroscope
from .animatediff import sites as animatediff_sites
from .sites import SITE_CHOICES, AttentionSite, group_by_block, select_sites
from .zeroscope import sites as zeroscope_sites

_FAMILIES = {zeroscope.FAMILY: zeroscope_sites, animatediff.FAMILY: animatediff_sites}

__all__ = [
    "SITE_CHOICES",
    "AttentionSite",
    "family_of",
    "find_cross_attentions",
    "find_layers",
    "find_sites",
    "group_by_block",
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


def find_sites(module: nn.Module) -> list[AttentionSite]:
    """All attention sites of a model, in the order in which it runs. Raises ModelError as `family_of` does."""
    return _FAMILIES[family_of(module)].find_sites(module)


def find_cross_attentions(module: nn.Module) -> list[AttentionSite]:
    """All spatial cross-attentions to the text, in the order in which the model runs. Raises ModelError likewise."""
    return _FAMILIES[family_of(module)].find_cross_attentions(module)


def find_layers(module: nn.Module) -> dict[int, list[nn.Module]]:
    """Level (how often the picture has been halved) -> the layers that run there, for checkpointing."""
    return _FAMILIES[family_of(module)].find_layers(module)
