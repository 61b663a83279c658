"""The temporal self-attentions of motion modules, named as the motion-module files name their blocks.

`down_blocks.0.motion_modules.1.temporal_transformer.transformer_blocks.0` and then `attn1`, `attn2` for the first and
second self-attention. A second stacked motion model has the same blocks, behind `models.1.`.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from torch import nn

from ..sites import AttentionSite
from ..spatial_transformers import find_attn2, find_in_diffusers
from ..token_layout import TemporalTokens

_OWN = ("attn1", "attn2")
_DIFFUSERS = re.compile(r"^(?:(down|up)_blocks\.(\d+)|(mid)_block)\.motion_modules\.(\d+)$")
_LEVELS = 4
"""Of a Stable Diffusion 1.5 UNet; SDXL's has one less."""


def list_sites(module: nn.Module) -> list[AttentionSite]:
    """Sites in the order in which the model runs them; empty for a model without motion modules."""
    sites = []
    for home, transformer, level in find_temporal_transformers(module):
        tokens = TemporalTokens(transformer)
        for depth, block in enumerate(transformer.transformer_blocks):  # type: ignore[arg-type]
            name = f"{home}.transformer_blocks.{depth}"
            for own, attention in zip(_OWN, _self_attentions(block), strict=False):
                sites.append(AttentionSite.of(attention, f"{name}.{own}", tokens, level=level, own=own))
    return sites


def find_temporal_transformers(module: nn.Module) -> Iterator[tuple[str, nn.Module, int]]:
    """(name as in motion-module files, transformer, level) of each motion module, in the order in which they run."""
    found = list(_find_motion_modules(module))
    levels = 1 + max((index for _, _, index, _ in found), default=_LEVELS - 1)
    seen: Counter[str] = Counter()
    for motion_module, kind, index, number in found:
        home = f"{kind}_block" if kind == "mid" else f"{kind}_blocks.{index}"
        home = f"{home}.motion_modules.{number}"
        level = {"down": index, "mid": levels - 1, "up": levels - 1 - index}[kind]
        stack = f"models.{seen[home]}." if seen[home] else ""
        seen[home] += 1
        transformer = getattr(motion_module, "temporal_transformer", motion_module)
        yield f"{stack}{home}.temporal_transformer", transformer, level  # type: ignore[misc]


def find_spatial_transformers(module: nn.Module) -> list[tuple[str, int, nn.Module]]:
    """(diffusers' name, level, transformer) of each, in the order in which the model runs them.

    ComfyUI's UNet holds the same layers in lists of its own: three entries a level, after the first of the way down.
    """
    if hasattr(module, "down_blocks"):
        return list(find_in_diffusers(module))
    downs, ups = list(module.input_blocks)[1:], list(module.output_blocks)  # type: ignore[arg-type]
    levels = len(ups) // 3
    homes = [(f"down_blocks.{i // 3}.attentions.{i % 3}", i // 3, block) for i, block in enumerate(downs)]
    homes += [("mid_block.attentions.0", levels - 1, module.middle_block)]
    homes += [(f"up_blocks.{i // 3}.attentions.{i % 3}", levels - 1 - i // 3, block) for i, block in enumerate(ups)]
    return [
        (home, level, part) for home, level, block in homes for part in block if hasattr(part, "transformer_blocks")
    ]


def list_cross_attentions(module: nn.Module) -> list[AttentionSite]:
    """The spatial cross-attentions to the text, in the order in which the model runs, under diffusers' names."""
    return find_attn2(find_spatial_transformers(module))


def group_by_level(module: nn.Module) -> dict[int, list[nn.Module]]:
    """Level -> the children of the blocks that run there: the host calls them one by one, never the blocks."""
    if hasattr(module, "down_blocks"):
        return _diffusers_layers(module)
    layers: dict[int, list[nn.Module]] = {}
    level = 0
    for block in (*module.input_blocks, module.middle_block, *module.output_blocks):  # type: ignore[misc]
        kinds = [type(child).__name__ for child in block]
        layers.setdefault(level, []).extend(c for c in block if type(c).__name__ not in ("Downsample", "Upsample"))
        level += ("Downsample" in kinds) - ("Upsample" in kinds)
    return layers


def _diffusers_layers(module: nn.Module) -> dict[int, list[nn.Module]]:
    downs, ups = list(module.down_blocks), list(module.up_blocks)  # type: ignore[arg-type]
    blocks = [*enumerate(downs), (len(downs) - 1, module.mid_block)]
    blocks += [(len(ups) - 1 - index, block) for index, block in enumerate(ups)]
    layers: dict[int, list[nn.Module]] = {}
    for level, block in blocks:
        for kind in ("resnets", "attentions", "motion_modules"):
            layers.setdefault(level, []).extend(getattr(block, kind, None) or [])
    return layers


def _find_motion_modules(module: nn.Module) -> Iterator[tuple[nn.Module, str, int, int]]:
    """(motion module, down, mid or up, block, number in the block) of each, in the order in which the model runs."""
    order = ("down_blocks", "mid_block", "up_blocks")
    for name, part in sorted(
        module.named_modules(), key=lambda item: next((n for n, o in enumerate(order) if item[0].startswith(o)), -1)
    ):
        named = _DIFFUSERS.match(name)
        if named:
            yield part, named[1] or named[3], int(named[2] or 0), int(named[4])
        elif hasattr(part, "temporal_transformer") and hasattr(part, "block_type"):
            yield part, part.block_type, int(part.block_idx), int(part.module_idx)


def _self_attentions(block: Any) -> list[Any]:
    """The temporal self-attentions of a transformer block; cross-attentions to text are none."""
    if hasattr(block, "attention_blocks"):
        return [a for a in block.attention_blocks if not a.is_cross_attention]
    return [a for a in (getattr(block, "attn1", None), getattr(block, "attn2", None)) if a is not None]
