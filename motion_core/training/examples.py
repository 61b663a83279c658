"""What a motion is trained on: clips with their conditions, and clips or pictures that are trained on beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..diffusion.denoiser import Condition
from ..errors import OptionError
from ..recipes.loss_term import CLIP, FRAME, REGULARISATION, SUBJECT


@dataclass(frozen=True)
class Example:
    """A clip and its condition. latents: (1, C, N, h, w); a single frame is a clip of one. Raises OptionError."""

    latents: Tensor
    condition: Condition

    def __post_init__(self) -> None:
        if self.latents.ndim != 5 or len(self.latents) != 1:
            raise OptionError(f"latents have shape {tuple(self.latents.shape)}; give one clip as (1, C, N, h, w)")
        if not self.latents.isfinite().all():
            raise OptionError("a clip's latents are not finite; check the autoencoder that encoded them")
        # one layout, whatever made them: kernels round differently in another
        object.__setattr__(self, "latents", self.latents.contiguous())


@dataclass(frozen=True)
class ReferenceSet:
    """clips: one or more with the motion that is trained, all of one shape. regularisation: related clips or frames
    without it. subjects: single frames whose appearance is trained beside the motion. mask: (N, h, w) weights in 0..1
    of the loss on a clip, so that one subject's motion is learnt out of several. Raises OptionError.
    """

    clips: Sequence[Example]
    regularisation: Sequence[Example] = ()
    subjects: Sequence[Example] = ()
    mask: Tensor | None = None

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
        if self.mask is not None:
            _check_mask(self.mask, self.first)

    @property
    def first(self) -> Tensor:
        """The latents of the first clip."""
        return self.clips[0].latents

    def find_examples(self, data: str) -> Sequence[Example]:
        """Returns the examples that a loss term's data names. A frame is one of a clip."""
        return {CLIP: self.clips, FRAME: self.clips, REGULARISATION: self.regularisation, SUBJECT: self.subjects}[data]

    def describe(self) -> dict[str, int]:
        """Returns what a file records of the set."""
        about = {"frames": self.first.shape[2], "clips": len(self.clips)}
        for name in ("regularisation", "subjects"):
            if getattr(self, name):
                about[name] = len(getattr(self, name))
        return about


def loss_weight(mask: Tensor, latents: Tensor) -> Tensor:
    """Returns the root of a mask, (1, 1, N, h, w), scaled so that the mean of its square is 1."""
    weights = mask.to(latents)[None, None]
    return (weights / weights.mean()).sqrt()


def _check_mask(mask: Tensor, latents: Tensor) -> None:
    if tuple(mask.shape) != (latents.shape[2], *latents.shape[3:]):
        raise OptionError(f"mask has shape {tuple(mask.shape)}; give (N, h, w) = {tuple(latents.shape[2:])}")
    if not mask.isfinite().all() or mask.min() < 0 or mask.max() <= 0:
        raise OptionError("the mask is empty or not within 0..1; mark the subject with 1 and the rest with 0")
