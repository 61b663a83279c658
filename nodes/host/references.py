"""What Train Motion Embedding and Train Motion Adapter train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...motion_core.errors import OptionError
from ...motion_core.training.examples import Example, ReferenceSet
from .denoiser import HostDenoiser
from .latents import shrink_mask

SHOWS, LACKS, SUBJECT = "shows the motion", "regularisation", "subject"


@dataclass(frozen=True)
class CaptionedLatents:
    """A clip and what it shows, as the sockets carry them. latents: (N, C, h, w); of LACKS also a single frame, of
    SUBJECT always one.
    """

    latents: Tensor
    conditioning: Any
    role: str = SHOWS


def check_sizes(references: Sequence[CaptionedLatents]) -> None:
    """Raises OptionError unless all have the size of the first and, except single frames, its frames."""
    first = references[0].latents
    for other in references[1:]:
        like = first[:1] if other.role != SHOWS and len(other.latents) == 1 else first
        if other.latents.shape != like.shape:
            raise OptionError(
                f"a clip's latents have shape {tuple(other.latents.shape)} and the first one's {tuple(first.shape)}; "
                "load all clips with the same frames and size, or single frames that do not show the motion"
            )


def make_reference_set(
    denoiser: HostDenoiser, references: Sequence[CaptionedLatents], mask: Tensor | None, like: Tensor
) -> ReferenceSet:
    """Makes what the core trains on. The n-th reference has the n-th condition of the denoiser.

    mask: (1 or N, H, W) as a MASK; like: a clip (1, C, N, h, w) on the model's device. Raises OptionError.
    """
    examples: dict[str, list[Example]] = {SHOWS: [], LACKS: [], SUBJECT: []}
    for each, condition in zip(references, denoiser.conditions, strict=False):  # a preview's conditions come after
        examples[each.role].append(Example(denoiser.to_clip(each.latents, like), condition))
    weights = None if mask is None else shrink_mask(mask.clone(), like)
    return ReferenceSet(examples[SHOWS], examples[LACKS], examples[SUBJECT], weights)
