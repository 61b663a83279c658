"""What methods are tried on, and how the results are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ...pipeline import CaptionedClip


@dataclass(frozen=True)
class Sample:
    """One clip to generate. number: of the clips under one reference; noise: the seed of its random noise."""

    number: int
    prompt: str
    noise: int


class Material(Protocol):
    """Reference clips, and the scores of what is generated under them."""

    @property
    def columns(self) -> Mapping[str, str]:
        """The scores by name, with the heading of their column."""

    @property
    def names(self) -> Sequence[str]:
        """The reference clips."""

    def reference(self, name: str, *, backwards: bool = False, frames: int = 0) -> CaptionedClip:
        """Returns a reference clip with its caption. frames: 0 for the material's. Raises MotionError."""

    def references(self, name: str, *, backwards: bool = False) -> Sequence[CaptionedClip]:
        """Returns the clips of one motion that a recipe trains on, the reference first. Raises MotionError."""

    def regularisation(self, name: str) -> Sequence[CaptionedClip]:
        """Returns related clips that do not move like it, for the recipes that need them, or none."""

    def subjects(self, name: str) -> Sequence[CaptionedClip]:
        """Returns pictures of a subject, clips of one frame, whose appearance is trained beside the motion, or none."""

    def samples(self, name: str, seeds: int) -> Sequence[Sample]:
        """Returns what is generated under a reference."""

    def first_frame(self, name: str, sample: Sample) -> Tensor:
        """Returns how a result may begin, (H, W, 3) in 0..1. Raises MotionError where that is not known."""

    def score(self, name: str, sample: Sample, frames: Tensor, *, backwards: bool = False) -> dict[str, float]:
        """Scores a result (N, H, W, 3) in 0..1 against the reference and its prompt, by the names of `columns`."""
