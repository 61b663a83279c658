"""Clips side by side, each below its label."""

from collections.abc import Mapping
from itertools import accumulate

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ...errors import OptionError
from ...video.pictures.contact_sheets import GAP, TEXT_SIZE
from ...video.pictures.pixels import check_frames, enlarge, find_scale, from_image
from ...video.pictures.text import BACKGROUND, draw_text, wrap

LETTERS = 30
"""Text is as high as the picture is wide, divided by this: readable in a node, however large the picture is."""
LINE = 18
"""Fewest characters in a line of a label. Wide clips have room for more."""


def side_by_side(clips: Mapping[str, Tensor]) -> Tensor:
    """Places clips next to each other, each below its label: (N', H', W', 3) float32 on the CPU.

    Each clip is scaled to the height of the first, which is enlarged by a whole number where it is small. Shorter clips
    repeat their last frame. Height and width are even, because video encoders need that. clips: by label, (N, H, W, 3)
    floats of 0..1, of any size and length. Raises OptionError for no clip or other shapes.
    """
    if not clips:
        raise OptionError("there is no clip to compare; give at least one")
    for clip in clips.values():
        check_frames(clip)
    own, width = next(iter(clips.values())).shape[1:3]
    height = own * find_scale(own, width)
    count = max(len(clip) for clip in clips.values())
    scaled = {label: _repeat_last(_scale_to(clip, height), count) for label, clip in clips.items()}
    size = max(TEXT_SIZE, sum(clip.shape[2] for clip in scaled.values()) // LETTERS)
    headings = [
        draw_text(wrap(label, size, clip.shape[2], LINE), size, width=clip.shape[2]) for label, clip in scaled.items()
    ]
    top = GAP + max(heading.height for heading in headings) + GAP
    top += (top + height + GAP) % 2
    *lefts, width = accumulate((heading.width + GAP for heading in headings), initial=GAP)
    canvas = Image.new("RGB", (width + width % 2, top + height + GAP), BACKGROUND)
    for heading, left in zip(headings, lefts, strict=True):
        canvas.paste(heading, (left, GAP))
    compared = from_image(canvas).repeat(count, 1, 1, 1)
    for clip, left in zip(scaled.values(), lefts, strict=True):
        compared[:, top : top + height, left : left + clip.shape[2]] = clip
    return compared


def _scale_to(clip: Tensor, height: int) -> Tensor:
    """Scales a clip to a height, without blur where that is a multiple of its own: float32 on the CPU."""
    clip = clip.detach().to("cpu", torch.float32)
    own = clip.shape[1]
    if height % own == 0:
        return enlarge(clip, height // own)
    width = max(1, round(clip.shape[2] * height / own))
    planes = F.interpolate(clip.permute(0, 3, 1, 2), (height, width), mode="bilinear", antialias=True)
    return planes.permute(0, 2, 3, 1)


def _repeat_last(clip: Tensor, count: int) -> Tensor:
    """Repeats the last frame until there are `count` frames."""
    return torch.cat([clip, clip[-1:].expand(count - len(clip), -1, -1, -1)])
