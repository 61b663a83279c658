"""How the tokens of an attention site lie, and how a motion is added to those of the video."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from einops import rearrange
from torch import Tensor, nn

from ..errors import ModelError

Grid = tuple[int, int]
"""(h, w): the places of a site's frames."""


@dataclass(frozen=True)
class LiveTokens:
    """The tokens of the forward that runs. grid: the places of a frame; frames: their number, 0 where the tokens tell;
    before: how many tokens of other things lie before the video's.
    """

    grid: Grid
    frames: int = 0
    before: int = 0


Record = Callable[[LiveTokens], None]


class TokenLayout(Protocol):
    """How a site's tokens lie."""

    def watch(self, record: Record) -> list[Any]:
        """Records the tokens of each forward before it reaches the site. Returns the handles of the hooks."""
        ...

    def count_frames(self, tokens: Tensor, live: LiveTokens | None, known: int | None = None) -> int:
        """Returns N. known: the video's, where other frames may come after them."""
        ...

    def add(self, tokens: Tensor, added: Tensor, gate: Tensor | None, live: LiveTokens | None) -> Tensor:
        """Returns tokens + gate * added. added: (h*w or 1, N, C); gate: one factor a branch of the batch, or None.

        Raises ModelError where they do not fit.
        """
        ...


@dataclass(frozen=True)
class TemporalTokens:
    """`(B h w) N C`: each place of the picture attends along time.

    frame: the module around the site that is called with the frames `(B*N, C, h, w)`, where there is one.
    """

    frame: nn.Module | None = None

    def watch(self, record: Record) -> list[Any]:
        def note(_module: nn.Module, args: tuple, kwargs: Mapping[str, Any]) -> None:
            hidden = args[0] if args else kwargs["hidden_states"]
            record(LiveTokens((hidden.shape[-2], hidden.shape[-1])))

        return [] if self.frame is None else [self.frame.register_forward_pre_hook(note, with_kwargs=True)]

    def count_frames(self, tokens: Tensor, live: LiveTokens | None, known: int | None = None) -> int:
        return tokens.shape[1]

    def add(self, tokens: Tensor, added: Tensor, gate: Tensor | None, live: LiveTokens | None) -> Tensor:
        branches = 1 if gate is None else len(gate)
        places = len(added)
        if len(tokens) % (places * branches):
            raise ModelError(
                f"attention along time runs on {len(tokens)} places and the motion has {places}; "
                "the frames given to the model do not fit its size"
            )
        # only views, so that the sum keeps the memory layout of the tokens: another layout can change rounding
        by_branch = tokens.unflatten(0, (branches, -1, places))
        if gate is not None:
            added = gate.to(tokens).reshape(-1, 1, 1, 1, 1) * added
        return (by_branch + added).flatten(0, 2)


TEMPORAL = TemporalTokens()
"""Temporal tokens whose grid is not known."""


class JointTokens(ABC):
    """`B (N h w) C`: all places of all frames attend to each other. Tokens of other things may lie before and after."""

    @abstractmethod
    def watch(self, record: Record) -> list[Any]:
        """See `TokenLayout`. A family knows where the tokens of its model come from."""

    def count_frames(self, tokens: Tensor, live: LiveTokens | None, known: int | None = None) -> int:
        frames = self._known(live).frames
        return frames if known is None else min(known, frames)

    def add(self, tokens: Tensor, added: Tensor, gate: Tensor | None, live: LiveTokens | None) -> Tensor:
        known = self._known(live)
        (h, w), frames = known.grid, added.shape[1]
        end = known.before + frames * h * w
        if tokens.shape[1] < end or len(added) not in (1, h * w) or frames > known.frames:
            raise ModelError(
                f"attention runs on {tokens.shape[1]} tokens and the motion is for {frames} frames of {h}x{w}; "
                "the frames given to the model do not fit its size"
            )
        flat = rearrange(added.expand(h * w, -1, -1), "places frames channels -> 1 (frames places) channels")
        if gate is not None:
            if len(tokens) % len(gate):
                raise ModelError(f"attention runs on {len(tokens)} clips, which {len(gate)} branches can't share")
            flat = gate.to(tokens).repeat_interleave(len(tokens) // len(gate)).view(-1, 1, 1) * flat
        if known.before == 0 and tokens.shape[1] == end:
            return tokens + flat
        return torch.cat([tokens[:, : known.before], tokens[:, known.before : end] + flat, tokens[:, end:]], 1)

    @staticmethod
    def _known(live: LiveTokens | None) -> LiveTokens:
        if live is None:
            raise ModelError(
                "attention runs before the model has made tokens of the latents, so that the motion's place among them "
                "is not known; run the model as a whole"
            )
        return live
