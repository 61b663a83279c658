"""Adds motion embeddings to what enters a model's temporal attention, for as long as a `with` block lasts.

softmax(Wq(F + qk) (Wk(F + qk))^T / sqrt(d)) Wv(F + gamma v): only the inputs of three linear layers change
(Motion Inversion, eq. 3), so the model's own attention code runs as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .backbones import AttentionSite, find_sites, require_family
from .embedding import Grid, MotionEmbedding, names_for
from .errors import ModelError, OptionError


@dataclass(frozen=True)
class Window:
    """Which frames of a longer clip a forward sees. frames: their numbers; length: the whole clip's."""

    frames: tuple[int, ...]
    length: int


@dataclass(eq=False)
class Injection:
    """A motion at work in a model.

    active: whether forwards feel it now. gate: how much of it each batch entry feels, (B,), or None for all of it.
    window: the motion is stretched over the whole clip and these frames of it are felt; None: over what a forward sees.
    """

    active: bool = True
    gate: Tensor | None = None
    window: Window | None = None
    grids: dict[str, Grid] = field(default_factory=dict)


@contextmanager
def inject(
    module: nn.Module, embedding: MotionEmbedding, strength_qk: float = 1.0, strength_v: float = 1.0
) -> Iterator[Injection]:
    """Within the block, every forward of `module` feels the embedding, resized to the live frames and grid.

    The tensors keep their graph, so gradients reach them; with checkpointing, stay inside until backward is done.
    A zero strength adds no hook. Injections nest and add up. Raises ModelError when the model has no such site.
    """
    check_strength("strength_qk", strength_qk)
    check_strength("strength_v", strength_v)
    sites = match_sites(module, embedding)
    injection = Injection()
    with ExitStack() as hooks:
        for site in sites:
            if strength_v and site.frame is not None:
                hooks.callback(note_grid(site.frame, site.block, injection.grids).remove)
            qk = _Addition(embedding, site, "qk", strength_qk, injection)
            v = _Addition(embedding, site, "v", strength_v, injection)
            for layer, addition in ((site.to_q, qk), (site.to_k, qk), (site.to_v, v)):
                if addition.strength:
                    hooks.callback(layer.register_forward_pre_hook(addition).remove)
        yield injection


def check_strength(name: str, strength: float) -> None:
    """Raises OptionError unless strength lies in -10..10."""
    if not -10.0 <= strength <= 10.0:
        raise OptionError(f"{name} is {strength}; choose between -10 and 10 (1 is as learnt, 0 is off)")


def match_sites(module: nn.Module, embedding: MotionEmbedding) -> list[AttentionSite]:
    """The model's sites that the embedding speaks of. Raises ModelError when family, names or channels differ."""
    require_family(module, embedding.family)
    sites = [site for site in find_sites(module) if site.block in embedding.grids]
    missing = set(embedding.grids) - {site.block for site in sites}
    if missing:
        raise ModelError(
            f"this model has no attention block {sorted(missing)[0]}; learn the motion again on this model"
        )
    for site in sites:
        channels = embedding.qk[next(name for name in names_for(site) if name in embedding.qk)].shape[-1]
        if channels != site.channels:
            raise ModelError(
                f"this motion has {channels} channels at {site.name} and the model {site.channels}; "
                "learn it again on this model"
            )
    return sites


def note_grid(frame: nn.Module, block: str, grids: dict[str, Grid]) -> Any:
    """Let a module that is called with (B*N, C, h, w) note its (h, w) under `block`; gives the hook's handle."""

    def note(_module: nn.Module, args: tuple, kwargs: dict) -> None:
        hidden = args[0] if args else kwargs["hidden_states"]
        grids[block] = (hidden.shape[-2], hidden.shape[-1])

    return frame.register_forward_pre_hook(note, with_kwargs=True)


class _Addition:
    """A pre-hook of one linear layer: tokens (B*h*w, N, C) + strength * gate * embedding."""

    def __init__(self, embedding: MotionEmbedding, site: AttentionSite, kind: str, strength: float, live: Injection):
        self.embedding, self.site, self.kind, self.strength, self.live = embedding, site, kind, strength, live
        self.name = next(name for name in names_for(site) if name in getattr(embedding, kind))
        self.last: tuple[Any, Tensor] | None = None

    def __call__(self, _layer: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not self.live.active:
            return None
        tokens, *rest = args
        rows, frames, channels = tokens.shape
        added = self._fitted(frames, tokens)
        gate = torch.ones(1) if self.live.gate is None else self.live.gate
        places = added.shape[0]
        if rows % (places * len(gate)):
            raise ModelError(
                f"{self.site.name} runs on {rows} places and the motion has {places}; "
                "the frames given to the model do not fit its size"
            )
        # views all along, so that the sum lies in memory as the tokens do: elsewise a zero could change rounding
        by_branch = tokens.unflatten(0, (len(gate), -1, places))
        if self.live.gate is None:
            shifted = by_branch + added
        else:
            shifted = by_branch + gate.to(tokens).reshape(-1, 1, 1, 1, 1) * added
        return (shifted.flatten(0, 2), *rest)

    def _fitted(self, frames: int, like: Tensor) -> Tensor:
        """The embedding at the live length and grid, times its strength: kept, unless it is being learnt."""
        grid = self.live.grids.get(self.site.block)
        window = self.live.window
        key = (frames, window, grid, like.device, like.dtype)
        if self.last is not None and self.last[0] == key:
            return self.last[1]
        if window is None:
            rows = self.embedding.fitted(self.kind, self.name, frames, grid)
        else:
            rows = self.embedding.fitted(self.kind, self.name, window.length, grid)[:, list(window.frames)]
        fitted = (rows * self.strength).to(like)
        if not getattr(self.embedding, self.kind)[self.name].requires_grad:
            self.last = (key, fitted)
        return fitted
