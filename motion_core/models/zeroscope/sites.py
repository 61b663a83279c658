"""The temporal self-attentions of `UNet3DConditionModel`: two in each `temp_attentions` block of a down or up level."""

import re

from torch import nn

from ..sites import AttentionSite
from ..spatial_transformers import find_attn2, find_in_diffusers
from ..token_layout import TemporalTokens

_BLOCK = re.compile(r"^(down|up)_blocks\.(\d+)\.temp_attentions\.\d+\.transformer_blocks\.\d+$")


def list_sites(module: nn.Module) -> list[AttentionSite]:
    """Sites of the down and up levels, in the order in which the model runs; empty for another architecture.

    The mid block and `transformer_in` are left out, as in the official code.
    """
    if not (hasattr(module, "transformer_in") and hasattr(module, "down_blocks") and hasattr(module, "up_blocks")):
        return []
    levels = len(module.down_blocks)  # type: ignore[arg-type]
    modules = dict(module.named_modules())
    sites = []
    for name, block in modules.items():
        found = _BLOCK.match(name)
        if not found:
            continue
        index = int(found[2])
        level = index if found[1] == "down" else levels - 1 - index
        tokens = TemporalTokens(modules[name.rsplit(".transformer_blocks", 1)[0]])
        for own in ("attn1", "attn2"):
            sites.append(AttentionSite.of(getattr(block, own), f"{name}.{own}", tokens, level=level, own=own))
    return sites


def list_cross_attentions(module: nn.Module) -> list[AttentionSite]:
    """The spatial cross-attentions to the text, in the order in which the model runs."""
    return find_attn2(find_in_diffusers(module))


def group_by_level(module: nn.Module) -> dict[int, list[nn.Module]]:
    """Level -> the resnets, temporal convolutions and attentions that run there (the mid block's with the deepest)."""
    downs, ups = list(module.down_blocks), list(module.up_blocks)  # type: ignore[arg-type]
    levels = [*enumerate(downs), (len(downs) - 1, module.mid_block)]
    levels += [(len(ups) - 1 - index, block) for index, block in enumerate(ups)]
    layers: dict[int, list[nn.Module]] = {}
    for level, block in levels:
        for kind in ("resnets", "temp_convs", "attentions", "temp_attentions"):
            layers.setdefault(level, []).extend(getattr(block, kind, []))
    return layers
