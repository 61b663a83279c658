"""The state of a motion that is attached to a model, which the forwards of a block read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor

from ..errors import ModelError
from ..models.token_layout import LiveTokens


@dataclass(frozen=True)
class Window:
    """The frames of a longer clip that a forward gets. frames: their numbers; length: the whole clip's."""

    frames: tuple[int, ...]
    length: int


@dataclass(eq=False)
class LiveSwitch:
    """Says how the next forward applies a motion. Checkpointing restores it when it computes that forward again.

    active: whether it is applied. gate: (B,) how strongly to each batch entry, None for 1. window: an embedding is
    stretched over the whole clip and these frames of it are applied; None: over the frames of the forward.
    tokens: block -> the tokens of the forward that runs. used: whether a forward has applied the motion.
    frames: of the video, where reference frames may follow them among the tokens.
    """

    active: bool = True
    gate: Tensor | None = None
    window: Window | None = None
    tokens: dict[str, LiveTokens] = field(default_factory=dict)
    used: bool = False
    frames: int | None = None


@contextmanager
def applied_by_a_forward(switches: Iterable[LiveSwitch]) -> Iterator[None]:
    """Within the block a forward applies every active motion. Raises ModelError at its end where it did not."""
    active = [switch for switch in switches if switch.active]
    for switch in active:
        switch.used = False
    yield
    if not all(switch.used for switch in active):
        raise ModelError(
            "the model ran without the layers that the motion changes, so that the motion was lost; remove the node "
            "that skips or replaces them (a cache of blocks, or attention in one piece)"
        )


@contextmanager
def switched_off(*switches: LiveSwitch) -> Iterator[None]:
    """Within the block none of these motions is applied."""
    before = [switch.active for switch in switches]
    try:
        for switch in switches:
            switch.active = False
        yield
    finally:
        for switch, active in zip(switches, before, strict=True):
            switch.active = active
