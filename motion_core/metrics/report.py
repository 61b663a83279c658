"""Pictures that compare clips: side by side, or as a contact sheet with tracks and scores."""

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
"""Fewest characters in a line of a label. Wide clips have room for more."""
SMALLEST_ROW = 128
"""Pixels of height. A report enlarges smaller clips."""


def side_by_side(clips: Mapping[str, Tensor]) -> Tensor:
    """Places clips next to each other, each below its label: (N', H', W', 3) float32 on the CPU.

    Each clip is scaled to the height of the first. Shorter clips repeat their last frame. Height and width are even,
    because video encoders need that. clips: by label, (N, H, W, 3) floats of 0..1, of any size and length.
    Raises OptionError for no clip or other shapes.
    """
    if not clips:
        raise OptionError("there is no clip to compare; give at least one")
    for clip in clips.values():
        check_frames(clip)
    height = next(iter(clips.values())).shape[1]
    count = max(len(clip) for clip in clips.values())
    scaled = {label: _repeat_last(_scale_to(clip, height), count) for label, clip in clips.items()}
    headings = [_draw_label(label, clip.shape[2]) for label, clip in scaled.items()]
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


def draw_report(
    clips: Mapping[str, Tensor], tracks: Mapping[str, Tensor], scores: Mapping[str, float], columns: int = 8
) -> Tensor:
    """Draws one picture (H', W', 3): a labelled row of frames for each clip, with its tracks, and the scores below.

    clips: by label, (N, H, W, 3) floats of 0..1; tracks: by the label of their clip, (T, N, 2) in its pixels, for all,
    some or no clips; scores: by name; columns: frames per row, evenly spaced.
    Raises OptionError for no clip, other shapes, or tracks whose label no clip has.
    """
    unmatched = [label for label in tracks if label not in clips]
    if unmatched:
        raise OptionError(f"tracks are labelled {unmatched[0]!r} and no clip is; use one of {', '.join(clips)}")
    rows = [draw_row(clip, tracks.get(label)) for label, clip in clips.items()]
    sheet = draw_sheet(rows, [textwrap.fill(label, LINE) for label in clips], columns=columns)
    text = _draw_text(format_scores(scores))
    picture = Image.new("RGB", (max(sheet.width, text.width + 2 * GAP), sheet.height + text.height + GAP), BACKGROUND)
    picture.paste(sheet, (0, 0))
    picture.paste(text, (GAP, sheet.height))
    return from_image(picture)


def format_scores(scores: Mapping[str, float]) -> str:
    """Writes one line per score: `name: value`."""
    return "\n".join(f"{name}: {value:.3g}" for name, value in scores.items())


def draw_row(clip: Tensor, tracks: Tensor | None) -> Tensor:
    """Draws the tracks (T, N, 2) over the frames (N, H, W, 3). Small frames are enlarged by a whole number.

    Raises OptionError for other shapes.
    """
    check_frames(clip)
    scale = math.ceil(SMALLEST_ROW / clip.shape[1])
    return enlarge(clip, scale) if tracks is None else draw_tracks(clip, tracks, scale)


def _scale_to(clip: Tensor, height: int) -> Tensor:
    """Scales a clip to a height: float32 on the CPU."""
    planes = clip.detach().to("cpu", torch.float32).permute(0, 3, 1, 2)
    if planes.shape[2] != height:
        width = max(1, round(planes.shape[3] * height / planes.shape[2]))
        planes = F.interpolate(planes, (height, width), mode="bilinear", antialias=True)
    return planes.permute(0, 2, 3, 1)


def _repeat_last(clip: Tensor, count: int) -> Tensor:
    """Repeats the last frame until there are `count` frames."""
    return torch.cat([clip, clip[-1:].expand(count - len(clip), -1, -1, -1)])


def _draw_label(label: str, width: int) -> Image.Image:
    """Draws the label in as many lines as it needs, in a picture at least as wide as the clip."""
    characters = int(width // ImageFont.load_default(TEXT_SIZE).getlength("n"))
    return _draw_text(textwrap.fill(label, max(LINE, characters)), width)


def _draw_text(text: str, width: int = 0) -> Image.Image:
    font = ImageFont.load_default(TEXT_SIZE)
    *_, right, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox((0, 0), text, font=font)
    image = Image.new("RGB", (max(width, math.ceil(right)), math.ceil(bottom)), BACKGROUND)
    ImageDraw.Draw(image).multiline_text((0, 0), text, fill=TEXT_COLOUR, font=font)
    return image
