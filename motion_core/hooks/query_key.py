"""Captures the queries and keys that an attention over all places of all frames compares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..models.sites import AttentionSite
from ..models.token_layout import LiveTokens


@dataclass(frozen=True)
class QueriesAndKeys:
    """q, k: (B, N, h*w, C) of the video's tokens as they are compared; grid: (h, w); heads: that C holds."""

    q: Tensor
    k: Tensor
    grid: tuple[int, int]
    heads: int


@contextmanager
def capture_queries_and_keys(site: AttentionSite) -> Iterator[list[QueriesAndKeys]]:
    """Within the block, a forward of the model leaves those of a site in the list, and stops there.

    The `with` block ends with the forward. Gradients flow through them, with checkpointing too. Raises ModelError for a
    site that is none over all places of all frames, and where no forward came through it.
    """
    if site.compared is None:
        raise ModelError(
            "this model's frames do not see each other's places, so that no place can be followed; "
            "load Wan, or use motion_clone"
        )
    found: list[QueriesAndKeys] = []
    probe = _Probe(site, found)
    with ExitStack() as hooks:
        for hook in (*site.tokens.watch(probe.record), *probe.attach()):
            hooks.callback(hook.remove)
        try:
            yield found
        except _Found as last:
            if last.found is not found:  # it belongs to a block around this one
                raise
    if not found:
        raise ModelError(f"no forward came through {site.name}; run the model inside the block")


class _Found(Exception):
    """Ends a forward that has nothing more to give."""

    def __init__(self, found: list[QueriesAndKeys]):
        self.found = found


class _Probe:
    """The hooks on one site."""

    def __init__(self, site: AttentionSite, found: list[QueriesAndKeys]):
        self.site, self.found = site, found
        self.live: LiveTokens | None = None
        self.projected: dict[nn.Module, Tensor] = {}

    def record(self, live: LiveTokens) -> None:
        self.live = live

    def attach(self) -> list[Any]:
        return [layer.register_forward_hook(self._note) for layer in (self.site.to_q, self.site.to_k)]

    def _note(self, layer: nn.Module, _args: Any, output: Tensor) -> None:
        self.projected[layer] = output
        if len(self.projected) < 2:
            return
        q, k = (self.projected.pop(each) for each in (self.site.to_q, self.site.to_k))
        if self.live is None or self.site.compared is None:
            raise ModelError(f"{self.site.name} ran before the model had made tokens; run the model as a whole")
        # kept here, since a checkpoint around it counts what its layer saves
        with torch.autograd.graph.saved_tensors_hooks(torch.Tensor.detach, lambda kept: kept):
            wide = torch.promote_types(q.dtype, torch.float32)
            compared = (x.to(wide) for x in self.site.compared(q, k, self.live))
            q, k = (x.unflatten(1, (self.live.frames, -1)) for x in compared)
        self.found.append(QueriesAndKeys(q, k, self.live.grid, self.site.heads))
        raise _Found(self.found)
