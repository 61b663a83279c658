"""A reference and its results in one picture: a row of frames each, their tracks and their scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from ...errors import OptionError
from ...tracking.drawing import check_tracks, colour_of, draw_times, draw_trails, thin_out
from ...tracking.tracks import Tracks
from ...video.pictures.contact_sheets import GAP, TEXT_SIZE
from ...video.pictures.pixels import check_frames, find_scale, from_image, to_image
from ...video.pictures.text import BACKGROUND, Colour, draw_text, measure, wrap

LARGEST = 320
"""Pixels of the longer side of a frame. Larger frames are made smaller."""
CELLS = 8
"""How many tracks are drawn along the shorter side of a frame."""
SMALLEST_TEXT = 12
"""Pixels."""
HEADING, NOTE = 32, 44
"""The picture is so many times as wide as the font of a heading or of a note is high: readable in a node, however large
the picture is."""
REMARK: Colour = (255, 225, 60)


@dataclass(frozen=True)
class Row:
    """A clip (N, H, W, 3) of 0..1 with its tracks, and a remark that stands behind its label."""

    clip: Tensor
    tracks: Tracks | None = None
    remark: str = ""


def draw_report(rows: Mapping[str, Row], notes: Sequence[str] = (), columns: int = 6) -> Tensor:
    """Draws one picture (H', W', 3): below each label the frames of its clip with its tracks, the notes at the end.

    Frames are evenly spaced, so that those below each other are equally far in their clips. The colours of the tracks
    are explained where there are any. rows: by label; columns: frames per row.
    Raises OptionError for no row, other shapes, or tracks of another number of frames.
    """
    if not rows or columns < 1:
        raise OptionError(f"rows={len(rows)} and columns={columns} must each be 1 or more")
    fitted = [_fit(row, columns) for row in rows.values()]
    cell = max(frames[0].width for frames in fitted)
    strips = [_draw_strip(frames, cell) for frames in fitted]
    width = max(strip.width for strip in strips)
    heading, note = max(TEXT_SIZE, width // HEADING), max(SMALLEST_TEXT, width // NOTE)
    parts: list[Image.Image] = []
    for (label, row), strip in zip(rows.items(), strips, strict=True):
        parts += [*_draw_headings(label, row.remark, heading, width), strip]
    if any(row.tracks is not None for row in rows.values()):
        parts.append(_draw_legend(note))
    parts += [draw_text(wrap(text, note, width), note) for text in notes]
    return from_image(_below([part for part in parts if part.height]))


def _fit(row: Row, columns: int) -> list[Image.Image]:
    """Evenly spaced frames, the first and the last among them, with their tracks above the colour of their time."""
    check_frames(row.clip)
    count = len(row.clip)
    numbers = torch.linspace(0, count - 1, min(columns, count)).round().long().tolist()
    frames = [_resize(to_image(row.clip[number])) for number in numbers]
    if row.tracks is None:
        return frames
    check_tracks(row.tracks.positions, count)
    tracks = thin_out(row.tracks, CELLS).scaled(frames[0].height, frames[0].width)
    return [
        _draw_time(to_image(draw_trails(from_image(frame), tracks, number)), colour_of(number, count))
        for number, frame in zip(numbers, frames, strict=True)
    ]


def _draw_time(frame: Image.Image, colour: Colour) -> Image.Image:
    """Adds a line of a colour below a frame."""
    drawn = Image.new("RGB", (frame.width, frame.height + GAP), colour)
    drawn.paste(frame, (0, 0))
    return drawn


def _draw_strip(frames: Sequence[Image.Image], cell: int) -> Image.Image:
    """Draws frames side by side, each `cell` pixels from the next one."""
    strip = Image.new("RGB", (len(frames) * (cell + GAP) - GAP, frames[0].height), BACKGROUND)
    for column, frame in enumerate(frames):
        strip.paste(frame, (column * (cell + GAP), 0))
    return strip


def _resize(frame: Image.Image) -> Image.Image:
    """Enlarges a small frame by a whole number, without blur, and makes a large one smaller."""
    scale = find_scale(frame.height, frame.width)
    enlarged = frame.resize((frame.width * scale, frame.height * scale), Image.Resampling.NEAREST)
    enlarged.thumbnail((LARGEST, LARGEST))
    return enlarged


def _draw_headings(label: str, remark: str, size: int, width: int) -> list[Image.Image]:
    """Draws a label with its remark behind it, or below it where there is no room."""
    if not remark or measure(label, size) + size + measure(remark, size) > width:
        return [draw_text(wrap(label, size, width), size), draw_text(wrap(remark, size, width), size, REMARK)]
    return [_beside([draw_text(label, size), draw_text(remark, size, REMARK)], size)]


def _draw_legend(size: int) -> Image.Image:
    """Draws what the colours of the tracks mean."""
    times = draw_times(6 * size, size)
    return _beside([draw_text("tracks, from the first frame", size), times, draw_text("to the last", size)], size // 2)


def _beside(images: Sequence[Image.Image], gap: int) -> Image.Image:
    width, height = sum(image.width for image in images) + gap * (len(images) - 1), max(i.height for i in images)
    joined = Image.new("RGB", (width, height), BACKGROUND)
    left = 0
    for image in images:
        joined.paste(image, (left, 0))
        left += image.width + gap
    return joined


def _below(images: Sequence[Image.Image]) -> Image.Image:
    width = max(image.width for image in images) + 2 * GAP
    joined = Image.new("RGB", (width, GAP + sum(image.height + GAP for image in images)), BACKGROUND)
    top = GAP
    for image in images:
        joined.paste(image, (GAP, top))
        top += image.height + GAP
    return joined
