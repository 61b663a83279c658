"""What the core knows about a kind of model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import nn

from .layers import Layer
from .sites import AttentionSite


@dataclass(frozen=True)
class Family:
    """A kind of model, described by functions that look at one of its modules.

    list_sites: its attention sites in the order in which the model runs, empty for a module of another kind.
    list_layers: the layers that an adapter may change. list_cross_attentions: the attentions to the text.
    group_by_level: level (how often the picture has been halved) -> modules that run there, for checkpointing.
    find_features: (module, block) -> name -> the module whose output describes that block's motion, for DMT.
    pixels_per_latent: along each side. frames_per_latent: along time.
    """

    name: str
    list_sites: Callable[[nn.Module], list[AttentionSite]]
    list_layers: Callable[[nn.Module], list[Layer]]
    list_cross_attentions: Callable[[nn.Module], list[AttentionSite]]
    group_by_level: Callable[[nn.Module], dict[int, list[nn.Module]]]
    find_features: Callable[[nn.Module, str], dict[str, nn.Module]]
    pixels_per_latent: int = 8
    frames_per_latent: int = 1


def join_names(families: Iterable[Family]) -> str:
    """Lists the families' names for a sentence."""
    return ", ".join(family.name for family in families)
