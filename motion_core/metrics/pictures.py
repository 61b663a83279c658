"""Pictures that compare clips: side by side in time, and one sheet with their tracks and the numbers."""

import math
import textwrap
from collections.abc import Mapping
from itertools import accumulate

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from ..errors import OptionError
from ..tracking.drawing import draw_tracks
from ..video.pictures.contact_sheets import BACKGROUND, GAP, TEXT_COLOUR, TEXT_SIZE, draw_sheet
from ..video.pictures.pixels import check_frames, enlarge, from_image

LINE = 18
"""Characters in a line of a label, more where its clip is wide enough."""
SMALLEST_ROW = 128
"""Pixels of height below which a report enlarges a clip."""


def side_by_side(clips: Mapping[str, Tensor]) -> Tensor:
    """Clips beside each other, each below its label: (N', H', W', 3) float32 on the CPU.

    clips: by label, (N, H, W, 3) floats of 0..1 of any size and length. Each is scaled to the height of the first;
    those that end early hold their last frame. Both sides are even, as video encoders want them.
    Raises OptionError for no clip or other shapes.
    """
    if not clips:
        raise OptionError("there is no clip to compare; give at least one")
    for clip in clips.values():
        check_frames(clip)
    height = next(iter(clips.values())).shape[1]
    count = max(len(clip) for clip in clips.values())
    fitted = {label: _hold(_fit(clip, height), count) for label, clip in clips.items()}
    heads = [_draw_label(label, clip.shape[2]) for label, clip in fitted.items()]
    top = GAP + max(head.height for head in heads) + GAP
    top += (top + height + GAP) % 2
    *lefts, width = accumulate((head.width + GAP for head in heads), initial=GAP)
    canvas = Image.new("RGB", (width + width % 2, top + height + GAP), BACKGROUND)
    for head, left in zip(heads, lefts, strict=True):
        canvas.paste(head, (left, GAP))
    compared = from_image(canvas).repeat(count, 1, 1, 1)
    for clip, left in zip(fitted.values(), lefts, strict=True):
        compared[:, top : top + height, left : left + clip.shape[2]] = clip
    return compared


def draw_report(
    clips: Mapping[str, Tensor], tracks: Mapping[str, Tensor], numbers: Mapping[str, float], columns: int = 8
) -> Tensor:
    """One picture (H', W', 3) of clips, a labelled row each, with tracks drawn over them and the numbers below.

    clips: by label, (N, H, W, 3) floats of 0..1; tracks: by the label of their clip, (T, N, 2) in its pixels, for all,
    some or no clips; numbers: by name; columns: frames a row, evenly spaced.
    Raises OptionError for no clip, other shapes, or tracks whose label no clip has.
    """
    strays = [label for label in tracks if label not in clips]
    if strays:
        raise OptionError(f"no clip is called {strays[0]!r}, as tracks are; use one of {', '.join(clips)}")
    rows = [draw_row(clip, tracks.get(label)) for label, clip in clips.items()]
    sheet = draw_sheet(rows, [textwrap.fill(label, LINE) for label in clips], columns=columns)
    said = _draw_text(say_numbers(numbers))
    picture = Image.new("RGB", (max(sheet.width, said.width + 2 * GAP), sheet.height + said.height + GAP), BACKGROUND)
    picture.paste(sheet, (0, 0))
    picture.paste(said, (GAP, sheet.height))
    return from_image(picture)


def say_numbers(numbers: Mapping[str, float]) -> str:
    """A line each: `name: number`."""
    return "\n".join(f"{name}: {number:.3g}" for name, number in numbers.items())


def draw_row(clip: Tensor, tracks: Tensor | None) -> Tensor:
    """The frames (N, H, W, 3), enlarged by a whole number where they are small, with their tracks (T, N, 2).

    Raises OptionError for other shapes.
    """
    check_frames(clip)
    scale = math.ceil(SMALLEST_ROW / clip.shape[1])
    return enlarge(clip, scale) if tracks is None else draw_tracks(clip, tracks, scale)


def _fit(clip: Tensor, height: int) -> Tensor:
    """A clip scaled to a height, float32 on the CPU."""
    planes = clip.detach().to("cpu", torch.float32).permute(0, 3, 1, 2)
    if planes.shape[2] != height:
        width = max(1, round(planes.shape[3] * height / planes.shape[2]))
        planes = F.interpolate(planes, (height, width), mode="bilinear", antialias=True)
    return planes.permute(0, 2, 3, 1)


def _hold(clip: Tensor, count: int) -> Tensor:
    return torch.cat([clip, clip[-1:].expand(count - len(clip), -1, -1, -1)])


def _draw_label(label: str, width: int) -> Image.Image:
    """The label in as many lines as it needs, in a picture at least as wide as the clip."""
    characters = int(width // ImageFont.load_default(TEXT_SIZE).getlength("n"))
    return _draw_text(textwrap.fill(label, max(LINE, characters)), width)


def _draw_text(text: str, width: int = 0) -> Image.Image:
    font = ImageFont.load_default(TEXT_SIZE)
    *_, right, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox((0, 0), text, font=font)
    image = Image.new("RGB", (max(width, math.ceil(right)), math.ceil(bottom)), BACKGROUND)
    ImageDraw.Draw(image).multiline_text((0, 0), text, fill=TEXT_COLOUR, font=font)
    return image
