"""Where LTX's tokens of the video lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..token_layout import JointTokens, LiveTokens, Record

METHOD = "_process_input"
"""Of ComfyUI's class: makes the tokens of the latents, within a forward. No module of its own gets the latents."""


@dataclass(frozen=True)
class LatentTokens(JointTokens):
    """Each latent pixel is a token. model: that runs.

    ComfyUI's gets latents (B, C, N, h, w), and with sound a list of which they are the first. Guiding frames lie at
    their end, and some of those frames' tokens may be left out. diffusers' gets tokens, and says their grid.
    """

    model: nn.Module

    def watch(self, record: Record) -> list[Any]:
        if hasattr(self.model, METHOD):
            return [WatchedMethod.add(self.model, record)]

        def note(_module: nn.Module, _args: tuple, kwargs: Mapping[str, Any]) -> None:
            record(LiveTokens((kwargs["height"], kwargs["width"]), kwargs["num_frames"]))

        return [self.model.register_forward_pre_hook(note, with_kwargs=True)]


class WatchedMethod:
    """Stands for the method while someone records, and leaves with the last of them."""

    def __init__(self, model: Any):
        self.model, self.inner = model, getattr(model, METHOD)
        self.records: list[Record] = []

    @classmethod
    def add(cls, model: Any, record: Record) -> Handle:
        """Records each call from now on. Returns what ends that."""
        watched = vars(model).get(METHOD)
        if not isinstance(watched, cls):
            watched = cls(model)
            vars(model)[METHOD] = watched
        watched.records.append(record)
        return Handle(watched, record)

    def __call__(self, x: Any, keyframe_idxs: Any, *args: Any, **kwargs: Any) -> Any:
        latents = x[0] if isinstance(x, list | tuple) else x
        frames, h, w = latents.shape[2:]
        guiding = 0 if keyframe_idxs is None else keyframe_idxs.shape[2] // (h * w)
        for record in self.records:
            record(LiveTokens((h, w), frames - guiding))
        return self.inner(x, keyframe_idxs, *args, **kwargs)


@dataclass(frozen=True)
class Handle:
    """Like that of a hook."""

    watched: WatchedMethod
    record: Record

    def remove(self) -> None:
        if self.record in self.watched.records:
            self.watched.records.remove(self.record)
        if not self.watched.records:
            vars(self.watched.model).pop(METHOD, None)
