"""Captures attention maps, softmax(q k^T / sqrt(d)), of named sites while a model runs.

A map is computed beside the model's own kernel from what that works on, so the model's output keeps every bit:
whatever hooks, adapters or strengths did to q and k is in the map.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError, OptionError
from ..models.families import recognize
from ..models.sites import AttentionSite


@contextmanager
def capture(
    module: nn.Module, names: Sequence[str], clips: int = 1, *, stop: bool = False, by_head: bool = False
) -> Iterator[dict[str, Tensor]]:
    """Within the block, the first forward of `module` leaves the map of each named site in the dict.

    names: of `find_sites`, for maps (clips, HW, N, N), or of `find_cross_attentions`, for (clips, N, HW, words).
    HW are the places row by row; rows sum to 1; heads are averaged; half precision is computed in float32.
    by_head: heads are kept apart, before the last two axes: (clips, HW, heads, N, N), (clips, N, heads, HW, words).
    clips: how many the forward holds. stop: leave the forward, and the block with it, once the last map is there.
    Gradients flow through the maps, and backward may come after the block, with checkpointing too. An adapter that
    hooks the outputs of to_q and to_k is in the map if it was there before the block.
    Raises OptionError for no names or no clips; ModelError for a name that the model lacks, a batch that is none of so
    many clips, and a block that ends without a map.
    """
    if clips < 1:
        raise OptionError(f"clips is {clips}; give the number of clips that the model sees at once, 1 or more")
    sites = _find_named(module, names)
    maps: dict[str, Tensor] = {}
    with ExitStack() as probes:
        for site in sites:
            probes.callback(_Probe(site, clips, maps, by_head=by_head, last=len(sites) if stop else None).close)
        try:
            yield maps
        except _LastMap as last:
            if last.maps is not maps:  # it belongs to a block around this one
                raise
    missing = [site.name for site in sites if site.name not in maps]
    if missing:
        raise ModelError(f"no forward came through {missing[0]}, so it has no map; run the model inside the block")


def attention_map(q: Tensor, k: Tensor, heads: int) -> Tensor:
    """softmax(q k^T / sqrt(d)) averaged over heads (Vaswani et al. 2017, eq. 1), in at least float32.

    q: (rows, queries, heads * d); k: (rows, keys, heads * d); result: (rows, queries, keys).
    """
    total = torch.zeros((), dtype=torch.promote_types(q.dtype, torch.float32), device=q.device)
    for one in head_maps(q, k, heads):
        total = total + one
    return total / heads


def head_maps(q: Tensor, k: Tensor, heads: int) -> Iterator[Tensor]:
    """The map of each head, (rows, queries, keys); one by one, to save memory. q, k: as in `attention_map`."""
    dtype = torch.promote_types(q.dtype, torch.float32)
    for one_q, one_k in zip(q.chunk(heads, -1), k.chunk(heads, -1), strict=True):
        one_q = one_q.to(dtype) / one_q.shape[-1] ** 0.5
        yield torch.softmax(one_q @ one_k.to(dtype).mT, -1)


def averaged(maps: Mapping[str, Tensor]) -> Tensor:
    """The mean of maps of one shape, by name. Raises OptionError for no maps or unequal shapes."""
    if not maps:
        raise OptionError("there are no attention maps to average; capture at least one")
    (first, one), *others = maps.items()
    for name, other in others:
        if other.shape != one.shape:
            shapes = f"the map of {first} has shape {tuple(one.shape)} and that of {name} {tuple(other.shape)}"
            raise OptionError(f"{shapes}; average sites of one kind and level")
    return torch.stack(list(maps.values())).mean(0)


def _find_named(module: nn.Module, names: Sequence[str]) -> list[AttentionSite]:
    model = recognize(module)
    known = {site.name: site for site in (*model.sites, *model.family.list_cross_attentions(module))}
    first, last = list(known)[0], list(known)[-1]
    if not names:
        raise OptionError(f"no attention is named to be captured; name one or more, such as {first}")
    for name in names:
        if name not in known:
            raise ModelError(f"this model has no attention {name!r}; name some of {first} ... {last}")
    return [known[name] for name in dict.fromkeys(names)]


class _LastMap(Exception):
    """Ends a forward that has nothing more to give."""

    def __init__(self, maps: dict[str, Tensor]):
        self.maps = maps


class _Probe:
    """The hooks on one site, gone once its map is there: the second forward of a checkpoint meets none."""

    def __init__(self, site: AttentionSite, clips: int, maps: dict[str, Tensor], *, by_head: bool, last: int | None):
        self.site, self.clips, self.by_head, self.maps, self.last = site, clips, by_head, maps, last
        self.projected: dict[nn.Module, Tensor] = {}
        if site.to_out is None:
            raise ModelError(f"{site.name} has no output layer, where its map is taken; load a model of a known family")
        self.hooks = [layer.register_forward_hook(self._note) for layer in (site.to_q, site.to_k)]
        # by then a host has multiplied into k in place whatever it does (AnimateDiff-Evolved's scales)
        self.hooks.append(site.to_out.register_forward_pre_hook(self._finish))

    def close(self) -> None:
        for hook in self.hooks:
            hook.remove()
        self.projected.clear()

    def _note(self, layer: nn.Module, _args: Any, output: Tensor) -> None:
        self.projected[layer] = output

    def _finish(self, _layer: nn.Module, _args: Any) -> None:
        q, k = self.projected[self.site.to_q], self.projected[self.site.to_k]
        self.close()
        if len(q) % self.clips:
            raise ModelError(
                f"{self.site.name} runs on a batch of {len(q)}, which {self.clips} clips can't share; correct clips"
            )
        # kept here, since a checkpoint around it counts what its layer saves and must count the same without the map
        with torch.autograd.graph.saved_tensors_hooks(torch.Tensor.detach, lambda kept: kept):
            heads = self.site.heads
            flat = torch.stack([*head_maps(q, k, heads)], 1) if self.by_head else attention_map(q, k, heads)
        self.maps[self.site.name] = flat.unflatten(0, (self.clips, -1))
        if len(self.maps) == self.last:
            raise _LastMap(self.maps)
