"""The families that are known, and which of them a module belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ..errors import ModelError
from .animatediff.family import ANIMATEDIFF
from .family import Family, join_names
from .layers import Layer
from .ltx.family import LTX
from .sites import AttentionSite
from .wan.family import WAN
from .zeroscope.family import ZEROSCOPE

FAMILIES: list[Family] = [ZEROSCOPE, ANIMATEDIFF, WAN, LTX]


@dataclass(frozen=True)
class Recognized:
    """A module, its family and its attention sites, in the order in which the model runs."""

    module: nn.Module
    family: Family
    sites: list[AttentionSite]

    def require(self, family: str) -> None:
        """Raises ModelError unless the model is of the family that a motion was trained on."""
        if self.family.name != family:
            raise ModelError(
                f"this motion was learnt on the {family} family and the model is of the {self.family.name} family; "
                "learn it again on this model"
            )

    def list_layers(self) -> list[Layer]:
        """Lists the layers that an adapter may change."""
        return self.family.list_layers(self.module)

    def group_by_level(self) -> dict[int, list[nn.Module]]:
        """Returns level (how often the picture has been halved) -> the modules that run there."""
        return self.family.group_by_level(self.module)


def recognize(module: nn.Module) -> Recognized:
    """Finds the family of a module and its sites, in one walk. Raises ModelError when it is of no known family."""
    for family in FAMILIES:
        sites = family.list_sites(module)
        if sites:
            return Recognized(module, family, sites)
    raise ModelError(
        f"{type(module).__name__} has no temporal attention that we know; "
        f"load a text-to-video model of one of these families: {join_names(FAMILIES)}"
    )


def find_sites(module: nn.Module) -> list[AttentionSite]:
    """Finds all attention sites of a model, in the order in which it runs. Raises ModelError as `recognize` does."""
    return recognize(module).sites
