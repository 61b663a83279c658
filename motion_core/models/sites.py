"""Attention sites: the self-attentions through which the frames of a video model see each other.

They are found by structure and named by checkpoint key. The cross-attentions to the text are described alike.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..errors import ModelError, OptionError
from .token_layout import TEMPORAL, JointTokens, LiveTokens, TokenLayout

SITE_CHOICES = ("deepest", "early", "all")
_CHOICES = "deepest, early or all"


@dataclass(frozen=True)
class AttentionSite:
    """One self-attention through which frames see each other, or one cross-attention to the text.

    name: the family's public checkpoint key. channels: C of the tokens that enter to_q, to_k and to_v (to_q alone in a
    cross-attention). to_out: the layer that takes what the heads attended to. heads: how many there are.
    tokens: how its tokens lie. level: how many times the model has halved the picture there.
    own: the part of the name after the block's.
    compared: what becomes of q and k (B, L, C) before they are compared, where all places of all frames see each other:
    those of the video's tokens are returned.
    """

    name: str
    to_q: nn.Module
    to_k: nn.Module
    to_v: nn.Module
    channels: int
    to_out: nn.Module | None = None
    heads: int = 1
    tokens: TokenLayout = TEMPORAL
    level: int = 0
    own: str = ""
    compared: Callable[[Tensor, Tensor, LiveTokens], tuple[Tensor, Tensor]] | None = None

    @classmethod
    def of(
        cls, attention: Any, name: str, tokens: TokenLayout = TEMPORAL, *, level: int = 0, own: str = ""
    ) -> "AttentionSite":
        """The site of an attention module; diffusers, ComfyUI and AnimateDiff-Evolved name its parts alike."""
        layers = (attention.to_q, attention.to_k, attention.to_v)
        to_out = getattr(attention, "to_out", [None])[0]  # only attention maps need it
        return cls(
            name, *layers, attention.to_q.in_features, to_out, getattr(attention, "heads", 1), tokens, level, own
        )

    @property
    def takes_v(self) -> nn.Module:
        """The layer to whose input a motion's v is added.

        Attention along time mixes frames and keeps places, so v enters to_v, as published. Attention over all places
        would mix those of v too, so v is added to what it gives, before to_out.
        """
        return self.to_out if isinstance(self.tokens, JointTokens) and self.to_out is not None else self.to_v

    @property
    def block(self) -> str:
        """The name of the transformer block whose self-attentions share what the official layout shares."""
        return self.name.removesuffix(f".{self.own}") if self.own else self.name


def select_sites(sites: Sequence[AttentionSite], which: str) -> list[AttentionSite]:
    """`deepest` (the lowest-resolution level), `early` (the first half of the blocks), `all`, or a regular expression
    searched for in the names.

    Whole blocks are selected, since the self-attentions of a block share an embedding. Raises OptionError when the
    expression is none, ModelError when nothing matches.
    """
    if not sites:
        raise ModelError("this model has no temporal attention to learn on; load a text-to-video model")
    if which == "all":
        return list(sites)
    if which == "deepest":
        deepest = max(site.level for site in sites)
        return [site for site in sites if site.level == deepest]
    if which == "early":
        blocks = list(dict.fromkeys(site.block for site in sites))
        kept = set(blocks[: (len(blocks) + 1) // 2])
        return [site for site in sites if site.block in kept]
    try:
        pattern = re.compile(which)
    except re.error as error:
        raise OptionError(f"sites is {which!r}, which is no regular expression ({error}); use {_CHOICES}") from None
    found = {site.block for site in sites if pattern.search(site.name)}
    if not found:
        raise ModelError(
            f"sites is {which!r}, which matches none of {sites[0].name} ... {sites[-1].name}; use {_CHOICES}"
        )
    return [site for site in sites if site.block in found]


def group_by_block(sites: Sequence[AttentionSite]) -> Mapping[str, list[AttentionSite]]:
    """The sites of each block, in order."""
    groups: dict[str, list[AttentionSite]] = {}
    for site in sites:
        groups.setdefault(site.block, []).append(site)
    return groups
