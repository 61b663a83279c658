"""Adds motion embeddings to what enters a model's temporal attention, for as long as a `with` block lasts.

softmax(Wq(F + qk) (Wk(F + qk))^T / sqrt(d)) Wv(F + gamma v): only the inputs of three linear layers change
(Motion Inversion, eq. 3), so the model's own attention code runs as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ..errors import ModelError, OptionError
from ..models.family import find_sites, require_family
from ..models.sites import AttentionSite
from ..motions.embedding import Grid, MotionEmbedding, names_for


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


class Injector:
    """Hooks that let a model feel an embedding, ready to be switched on. It keeps the resized embedding, so that
    many forwards at one length and size, as in sampling, resize it once. Raises ModelError when a site is missing.
    """

    def __init__(
        self, module: nn.Module, embedding: MotionEmbedding, strength_qk: float = 1.0, strength_v: float = 1.0
    ):
        check_strength("strength_qk", strength_qk)
        check_strength("strength_v", strength_v)
        self.sites = match_sites(module, embedding)
        strengths = {"qk": strength_qk, "v": strength_v}
        self.additions = [
            (layers, _Addition(embedding, site, kind, strengths[kind]))
            for site in self.sites
            for kind, layers in (("qk", (site.to_q, site.to_k)), ("v", (site.to_v,)))
            if strengths[kind]
        ]

    @contextmanager
    def at_work(self) -> Iterator[Injection]:
        """Within the block every forward of the model feels the embedding."""
        injection = Injection()
        with ExitStack() as hooks:
            for site in self.sites if self.additions else []:
                if site.frame is not None:
                    hooks.callback(note_grid(site.frame, site.block, injection.grids).remove)
            for layers, addition in self.additions:
                for layer in layers:
                    hooks.callback(layer.register_forward_pre_hook(_Hook(addition, injection)).remove)
            yield injection


@contextmanager
def inject(
    module: nn.Module, embedding: MotionEmbedding, strength_qk: float = 1.0, strength_v: float = 1.0
) -> Iterator[Injection]:
    """Within the block, every forward of `module` feels the embedding, resized to the live frames and grid.

    The tensors keep their graph, so gradients reach them; with checkpointing, stay inside until backward is done.
    A zero strength adds no hook. Injections nest and add up. Raises ModelError when the model has no such site.
    """
    with Injector(module, embedding, strength_qk, strength_v).at_work() as injection:
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


@dataclass(frozen=True, eq=False)
class _Hook:
    """Before a linear layer: its tokens as `addition` makes them, as long as `live` says so."""

    addition: _Addition
    live: Injection

    def __call__(self, _layer: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        tokens, *rest = args
        return (self.addition.added_to(tokens, self.live), *rest) if self.live.active else None


class _Addition:
    """tokens (B*h*w, N, C) + strength * gate * embedding."""

    def __init__(self, embedding: MotionEmbedding, site: AttentionSite, kind: str, strength: float):
        self.embedding, self.site, self.kind, self.strength = embedding, site, kind, strength
        self.name = next(name for name in names_for(site) if name in getattr(embedding, kind))
        self.last: tuple[Any, Tensor] | None = None

    def added_to(self, tokens: Tensor, live: Injection) -> Tensor:
        grid = live.grids.get(self.site.block)
        if live.window is None:
            added = self._fitted(tokens.shape[1], grid, tokens)
        else:
            added = self._fitted(live.window.length, grid, tokens)[:, self._seen(live.window, tokens.shape[1])]
        branches = 1 if live.gate is None else len(live.gate)
        places = len(added)
        if len(tokens) % (places * branches):
            raise ModelError(
                f"{self.site.name} runs on {len(tokens)} places and the motion has {places}; "
                "the frames given to the model do not fit its size"
            )
        # views all along, so that the sum lies in memory as the tokens do: elsewise a zero could change rounding
        by_branch = tokens.unflatten(0, (branches, -1, places))
        if live.gate is not None:
            added = live.gate.to(tokens).reshape(-1, 1, 1, 1, 1) * added
        return (by_branch + added).flatten(0, 2)

    def _seen(self, window: Window, frames: int) -> list[int]:
        if len(window.frames) != frames:
            raise ModelError(
                f"{self.site.name} sees {frames} frames at a time of a window of {len(window.frames)}, and where they "
                "lie in the clip is not known; use frame_index 'window'"
            )
        return list(window.frames)

    def _fitted(self, frames: int, grid: Grid | None, like: Tensor) -> Tensor:
        """The embedding at that length and grid, times its strength: kept, unless it is being learnt."""
        key = (frames, grid, like.device, like.dtype)
        if self.last is not None and self.last[0] == key:
            return self.last[1]
        fitted = (self.embedding.fitted(self.kind, self.name, frames, grid) * self.strength).to(like)
        if not getattr(self.embedding, self.kind)[self.name].requires_grad:
            self.last = (key, fitted)
        return fitted
