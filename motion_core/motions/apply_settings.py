"""How a motion is applied. A motion file suggests its own settings; they hold where a person chooses nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..diffusion.interval import check_interval, is_within
from ..errors import OptionError
from ..options import option
from .debias import DEBIAS_MODES

BRANCHES = ("both", "conditional")
STRENGTH = 10.0
"""The largest strength, in both directions."""


def check_strength(name: str, strength: float) -> None:
    """Raises OptionError unless strength lies in -10..10."""
    if not -STRENGTH <= strength <= STRENGTH:
        raise OptionError(f"{name} is {strength}; choose between -10 and 10 (1 is as learnt, 0 is off)")


def _strength(about: str) -> Any:
    return option(1.0, minimum=-STRENGTH, maximum=STRENGTH, step=0.05, about=about)


@dataclass(frozen=True)
class ApplySettings:
    """What embeddings and adapters share. Raises OptionError."""

    branches: str = option(
        "both",
        choices=BRANCHES,
        about="both: the paper's way. conditional: only the half of guidance that has the prompt gets the motion, so "
        "that guidance amplifies it.",
    )
    start: float = option(0.0, minimum=0.0, maximum=1.0, step=0.01, about="Applied from this part of sampling.")
    end: float = option(1.0, minimum=0.0, maximum=1.0, step=0.01, about="Applied up to this part of sampling.")
    fade: float = option(
        0.0,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        about="Over this part of sampling before the end, the strength falls evenly to 0; 0: it ends at once.",
    )

    def __post_init__(self) -> None:
        if self.branches not in BRANCHES:
            raise OptionError(f"branches is {self.branches!r}; use one of {', '.join(BRANCHES)}")
        check_interval(self.start, self.end)
        if not 0 <= self.fade <= 1:
            raise OptionError(f"fade is {self.fade}; choose 0 (the motion ends at once) to 1")

    def share_at(self, progress: float) -> float:
        """Returns the share of the strength, 0..1, that is applied at a part of sampling, 0..1."""
        if not is_within(progress, self.start, self.end):
            return 0.0
        return min(1.0, (self.end - progress) / self.fade) if self.fade else 1.0


@dataclass(frozen=True)
class EmbeddingSettings(ApplySettings):
    """How an embedding is applied. strength_v is the paper's gamma. Raises OptionError."""

    strength_qk: float = _strength("How much of the timing between frames: 1 as learnt, 0 off.")
    strength_v: float = _strength(
        "How strongly things move in the picture: 1 as learnt, 0 camera motion only, above 1 exaggerates."
    )
    debias: str = option(
        "difference", choices=DEBIAS_MODES, about="How the reference's appearance is taken out of the motion."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_strength("strength_qk", self.strength_qk)
        check_strength("strength_v", self.strength_v)
        if self.debias not in DEBIAS_MODES:
            raise OptionError(f"debias is {self.debias!r}; use one of {', '.join(DEBIAS_MODES)}")


@dataclass(frozen=True)
class AdapterSettings(ApplySettings):
    """How an adapter is applied. Raises OptionError."""

    strength: float = _strength("1 as learnt, 0 off.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_strength("strength", self.strength)


def merge_settings(kind: type[ApplySettings], suggestion: Mapping[str, Any], **chosen: Any) -> Any:
    """Returns settings of a kind: what is chosen and not None, else what is suggested, else the defaults.

    Names that the kind does not have are left out. Raises OptionError.
    """
    known = {each.name for each in fields(kind)}
    values = {**suggestion, **{name: value for name, value in chosen.items() if value is not None}}
    return kind(**{name: value for name, value in values.items() if name in known})
