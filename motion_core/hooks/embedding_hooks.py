"""Forward pre-hooks that add a motion embedding to the input of a model's temporal attention.

softmax(Wq(F + qk) (Wk(F + qk))^T / sqrt(d)) Wv(F + gamma v): only the inputs of three linear layers change (Motion
Inversion, eq. 3), so the model's own attention code runs unchanged. Where all places of all frames see each other,
v enters the output layer instead of Wv, see `AttentionSite.takes_v`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from ..errors import ModelError
from ..models.families import recognize
from ..models.sites import AttentionSite
from ..models.token_layout import Grid, LiveTokens
from ..motions.apply_settings import check_strength
from ..motions.embedding import MotionEmbedding, names_for
from .live_switch import LiveSwitch, Window


class EmbeddingHooks:
    """An embedding made ready for a model. It keeps the resized tensors, so that sampling resizes them once.

    Raises ModelError when the model lacks a site, OptionError for a strength out of range.
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
            for kind, layers in (("qk", (site.to_q, site.to_k)), ("v", (site.takes_v,)))
            if strengths[kind]
        ]

    @contextmanager
    def attached(self) -> Iterator[LiveSwitch]:
        """Within the block every forward of the model applies the embedding, as the switch says."""
        switch = LiveSwitch()
        with ExitStack() as hooks:
            for site in self.sites if self.additions else []:
                watch_tokens(site, switch.tokens, hooks)
            for layers, addition in self.additions:
                for layer in layers:
                    hooks.callback(layer.register_forward_pre_hook(_Hook(addition, switch)).remove)
            yield switch


@contextmanager
def inject(
    module: nn.Module, embedding: MotionEmbedding, strength_qk: float = 1.0, strength_v: float = 1.0
) -> Iterator[LiveSwitch]:
    """Within the block, every forward of `module` applies the embedding, resized to the forward's frames and grid.

    The tensors keep their graph, so gradients reach them. With checkpointing, stay inside until backward has ended.
    A strength of 0 adds no hook. Blocks nest and add up. Raises ModelError when the model has no such site.
    """
    with EmbeddingHooks(module, embedding, strength_qk, strength_v).attached() as switch:
        yield switch


def match_sites(module: nn.Module, embedding: MotionEmbedding) -> list[AttentionSite]:
    """Finds the model's sites that the embedding names. Raises ModelError when family, names or channels differ."""
    model = recognize(module)
    model.require(embedding.family)
    sites = [site for site in model.sites if site.block in embedding.grids]
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


@contextmanager
def recorded_tokens(sites: Sequence[AttentionSite]) -> Iterator[dict[str, LiveTokens]]:
    """Within the block, a forward records the tokens on which each block's attention works."""
    tokens: dict[str, LiveTokens] = {}
    with ExitStack() as hooks:
        for site in sites:
            watch_tokens(site, tokens, hooks)
        yield tokens


def watch_tokens(site: AttentionSite, tokens: dict[str, LiveTokens], hooks: ExitStack) -> None:
    """Until the stack closes, each forward records the tokens of the site's block."""
    for handle in site.tokens.watch(partial(tokens.__setitem__, site.block)):
        hooks.callback(handle.remove)


@dataclass(frozen=True, eq=False)
class _Hook:
    """Changes the input of a linear layer while the switch is active."""

    addition: _Addition
    switch: LiveSwitch

    def __call__(self, _layer: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not self.switch.active:
            return None
        self.switch.used = True
        tokens, *rest = args
        return self.addition.added_to(tokens, self.switch), *rest


class _Addition:
    """tokens + strength * gate * embedding."""

    def __init__(self, embedding: MotionEmbedding, site: AttentionSite, kind: str, strength: float):
        self.embedding, self.site, self.kind, self.strength = embedding, site, kind, strength
        self.name = next(name for name in names_for(site) if name in getattr(embedding, kind))
        self.last: tuple[Any, Tensor] | None = None

    def added_to(self, tokens: Tensor, switch: LiveSwitch) -> Tensor:
        live = switch.tokens.get(self.site.block)
        frames, grid = self.site.tokens.count_frames(tokens, live, switch.frames), None if live is None else live.grid
        if switch.window is None:
            added = self._resized(frames, grid, tokens)
        else:
            numbers = self._frames_of(switch.window, frames)
            added = self._resized(switch.window.length, grid, tokens)[:, numbers]
        return self.site.tokens.add(tokens, added, switch.gate, live)

    def _frames_of(self, window: Window, frames: int) -> list[int]:
        if len(window.frames) != frames:
            raise ModelError(
                f"{self.site.name} sees {frames} frames at a time of a window of {len(window.frames)}, and where they "
                "lie in the clip is not known; use frame_index 'window'"
            )
        return list(window.frames)

    def _resized(self, frames: int, grid: Grid | None, like: Tensor) -> Tensor:
        """The embedding at that length and grid times its strength, kept for the next forward unless it is trained."""
        key = (frames, grid, like.device, like.dtype)
        if self.last is not None and self.last[0] == key:
            return self.last[1]
        resized = (self.embedding.fitted(self.kind, self.name, frames, grid) * self.strength).to(like)
        if not getattr(self.embedding, self.kind)[self.name].requires_grad:
            self.last = (key, resized)
        return resized
