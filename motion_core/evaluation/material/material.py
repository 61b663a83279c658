"""What methods are tried on, and who judges the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ...errors import OptionError
from ...pipeline import Captioned


@dataclass(frozen=True)
class Take:
    """One clip to be made. number: of the clips under one reference; noise: the seed of its random noise."""

    number: int
    prompt: str
    noise: int


class Material(Protocol):
    @property
    def columns(self) -> Mapping[str, str]:
        """The scores by name, with the heading of their column."""

    @property
    def names(self) -> Sequence[str]:
        """The reference clips."""

    def reference(self, name: str, backwards: bool = False) -> Captioned:
        """A reference clip with its caption. Raises MotionError."""

    def regularisation(self, name: str) -> Sequence[Captioned]:
        """Related clips that do not move like it, for the recipes that need them; none where there are none."""

    def takes(self, name: str, seeds: int) -> Sequence[Take]:
        """What is made under a reference."""

    def score(self, name: str, take: Take, frames: Tensor, backwards: bool = False) -> dict[str, float]:
        """A result (N, H, W, 3) in 0..1 judged against the reference and its prompt: by the names of `columns`."""


def open_material(settings: Mapping[str, Any]) -> Material:
    """kind: `synthetic` (the starter model's) or `filmed` (files); the rest as they say. Raises MotionError."""
    from .filmed import Filmed
    from .synthetic import Synthetic

    kinds: dict[str, Callable[..., Material]] = {"synthetic": Synthetic.of, "filmed": Filmed.of}
    given = dict(settings)
    kind = given.pop("kind", None)
    if kind not in kinds:
        raise OptionError(f"material has the kind {kind!r}; use one of {', '.join(kinds)}")
    try:
        return kinds[kind](**given)
    except TypeError as reason:
        raise OptionError(f"{kind} material can't be made of this ({reason}); see the suites that ship") from reason
