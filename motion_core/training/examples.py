"""What a method learns from: clips with captions, and clips that keep it from forgetting what it knew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ..errors import OptionError


@dataclass(frozen=True)
class Example:
    """A clip with its caption. latents: (1, C, N, h, w); a single frame is a clip of one. text: (1, L, D)."""

    latents: Tensor
    text: Tensor

    def __post_init__(self) -> None:
        if self.latents.ndim != 5 or len(self.latents) != 1:
            raise OptionError(f"latents have shape {tuple(self.latents.shape)}; give one clip as (1, C, N, h, w)")
        if not self.latents.isfinite().all():
            raise OptionError("a clip's latents are not finite; check the autoencoder that encoded them")


@dataclass(frozen=True)
class ReferenceSet:
    """clips: what to learn, one or more. regularisation: related clips or frames that do not show it, or none.
    subjects: single frames whose looks are to be learnt beside the motion, or none.
    """

    clips: Sequence[Example]
    regularisation: Sequence[Example] = ()
    subjects: Sequence[Example] = ()

    def __post_init__(self) -> None:
        if not self.clips:
            raise OptionError("there is no reference clip; give at least one")
        for clip in self.clips:
            if clip.latents.shape[2] < 2:
                raise OptionError("a reference has 1 frame; a motion needs at least 2")
        for subject in self.subjects:
            frames = subject.latents.shape[2]
            if frames != 1:
                raise OptionError(f"a subject has {frames} frames; give single frames, each for itself")


def draw_example(examples: Sequence[Example], generator: Generator) -> Example:
    """One of them, each as likely as the others."""
    return examples[int(torch.randint(len(examples), (1,), generator=generator))] if len(examples) > 1 else examples[0]
