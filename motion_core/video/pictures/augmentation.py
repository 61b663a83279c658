"""Augmentation of a clip: versions of other size, position or colours with the same motion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import ModelError, OptionError
from .pixels import check_frames

AUGMENTATIONS = ("both", "spatial", "colour")
MAX_VERSIONS = 64
ZOOM, SHIFT = (1.1, 1.3), 0.05
"""ZOOM: range of the enlargement, which enlarges the motion too. SHIFT: largest shift as a share of a side, too small
to bring an edge into view."""


@dataclass(frozen=True)
class AugmentConfig:
    """How to augment a clip. It is never mirrored or rotated, because that would change its motion.

    versions: how many clips, the original among them; how: `spatial` (enlarged and shifted), `colour` (brightness,
    contrast, saturation, hue) or `both`. Raises OptionError.
    """

    versions: int = 4
    how: str = "both"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.versions <= MAX_VERSIONS:
            raise OptionError(f"versions is {self.versions}; choose 1 (the clip alone) to {MAX_VERSIONS}")
        if self.how not in AUGMENTATIONS:
            raise OptionError(f"augment is {self.how!r}; use one of {', '.join(AUGMENTATIONS)}")
        if not 0 <= self.seed < 2**63:
            raise OptionError(f"seed is {self.seed}; choose a whole number from 0 to 2^63 - 1")


def augment(frames: Tensor, config: AugmentConfig = AugmentConfig()) -> Tensor:
    """Makes versions of a clip: (versions, N, H, W, 3), the original first.

    All frames of a version get the same change. It depends on the seed alone; the global random state stays as it is.
    frames: (N, H, W, 3) of 0..1. Raises OptionError, or ModelError without kornia.
    """
    check_frames(frames)
    if config.versions == 1:
        return frames[None]
    change = _choose_change(config.how)
    clip = frames.permute(0, 3, 1, 2)[None]  # (1, N, 3, H, W)
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(config.seed)  # torch.manual_seed would also seed the GPUs
        changed = [change(clip).clamp(0, 1) for _ in range(config.versions - 1)]
    return torch.cat([clip, *changed]).permute(0, 1, 3, 4, 2).contiguous()


def _choose_change(how: str) -> torch.nn.Module:
    try:
        from kornia import augmentation
    except Exception as reason:  # a broken install fails in many ways
        raise ModelError(f"kornia could not be imported ({reason}); install it: pip install kornia") from reason
    steps: dict[str, torch.nn.Module] = {
        "spatial": augmentation.RandomAffine(0.0, (SHIFT, SHIFT), ZOOM, p=1.0),
        "colour": augmentation.ColorJitter(0.3, 0.3, 0.3, 0.1, p=1.0),
    }
    chosen = [step for name, step in steps.items() if how in ("both", name)]
    return augmentation.VideoSequential(*chosen, data_format="BTCHW", same_on_frame=True)
