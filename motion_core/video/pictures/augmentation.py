"""One clip as several: nearer, off centre, in another light, all frames alike, so that each moves the same."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import ModelError, OptionError
from .pixels import check_frames

AUGMENTATIONS = ("both", "spatial", "colour")
MOST_VERSIONS = 64
ZOOM, SHIFT = (1.1, 1.3), 0.05
"""How much larger the picture becomes, and its motions with it; then how much of its side it is shifted at most: less
than would bring an edge into view."""


@dataclass(frozen=True)
class AugmentConfig:
    """versions: how many, the clip as it is among them; how: `spatial` (enlarged and shifted), `colour` (brightness,
    contrast, saturation, hue) or `both`. Raises OptionError.

    Nothing is mirrored or turned, as that would be another motion.
    """

    versions: int = 4
    how: str = "both"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.versions <= MOST_VERSIONS:
            raise OptionError(f"versions is {self.versions}; choose 1 (the clip as it is) to {MOST_VERSIONS}")
        if self.how not in AUGMENTATIONS:
            raise OptionError(f"augment is {self.how!r}; use one of {', '.join(AUGMENTATIONS)}")
        if not 0 <= self.seed < 2**63:
            raise OptionError(f"seed is {self.seed}; choose a whole number from 0 to 2^63 - 1")


def augment(frames: Tensor, config: AugmentConfig = AugmentConfig()) -> Tensor:
    """frames (N, H, W, 3) in 0..1 to (versions, N, H, W, 3), the clip as it is first.

    Each version is drawn once for all its frames. The seed alone decides; global random state is not touched.
    Raises OptionError, and ModelError without kornia.
    """
    check_frames(frames)
    if config.versions == 1:
        return frames[None]
    change = _choose_change(config.how)
    clip = frames.permute(0, 3, 1, 2)[None]  # (1, N, 3, H, W)
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(config.seed)  # torch.manual_seed would reseed GPUs too
        changed = [change(clip).clamp(0, 1) for _ in range(config.versions - 1)]
    return torch.cat([clip, *changed]).permute(0, 1, 3, 4, 2).contiguous()


def _choose_change(how: str) -> torch.nn.Module:
    try:
        from kornia import augmentation
    except Exception as reason:  # a broken install of a neighbour fails in many ways
        raise ModelError(f"kornia could not be imported ({reason}); install it: pip install kornia") from reason
    steps: dict[str, torch.nn.Module] = {
        "spatial": augmentation.RandomAffine(0.0, (SHIFT, SHIFT), ZOOM, p=1.0),
        "colour": augmentation.ColorJitter(0.3, 0.3, 0.3, 0.1, p=1.0),
    }
    chosen = [step for name, step in steps.items() if how in ("both", name)]
    return augmentation.VideoSequential(*chosen, data_format="BTCHW", same_on_frame=True)
