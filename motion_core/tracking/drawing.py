"""Drawing tracks over the frames of their clip. The colour of a point says when it was there."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..errors import OptionError
from ..video.pictures.pixels import check_frames, enlarge, from_image
from .tracks import Tracks

Colour = tuple[int, int, int]

TIMES: tuple[Colour, ...] = ((70, 70, 245), (235, 115, 175), (255, 235, 70))
"""Colours of the first, the middle and the last frame. Whoever can't tell red from green, or blue from yellow, can
still tell these apart, because each is also lighter than the one before."""
OUTLINE: Colour = (0, 0, 0)
TRAIL = 5
"""How many frames back a trail reaches."""
THIN = 90
"""The shorter side of a picture is so many times as long as a line is thick."""


def draw_tracks(frames: Tensor, tracks: Tensor, scale: int = 1, trail: int = TRAIL) -> Tensor:
    """Draws each track as a point with a fading trail: (N, H * scale, W * scale, 3). Other pixels stay unchanged.

    frames: (N, H, W, 3) floats of 0..1; tracks: (T, N, 2) in their pixels; scale: a whole number by which the frames
    are enlarged first; trail: how many frames back the trail reaches. Raises OptionError for other shapes.
    """
    check_frames(frames)
    check_tracks(tracks, len(frames))
    points = (tracks.detach().cpu() + 0.5) * scale - 0.5
    enlarged = enumerate(enlarge(frames, scale))
    return torch.stack([draw_trails(frame, points, number, trail) for number, frame in enlarged])


def draw_trails(frame: Tensor, tracks: Tensor, number: int, trail: int = TRAIL) -> Tensor:
    """Draws the points of frame `number`, counted from 0, and their trails over it: (H, W, 3).

    frame: (H, W, 3) floats of 0..1; tracks: (T, N, 2) in its pixels.
    """
    height, width = frame.shape[:2]
    thickness = max(1, round(min(height, width) / THIN))
    layer = Image.new("RGBA", (width, height))
    first = max(0, number - trail)
    positions = tracks[:, first : number + 1].tolist()
    times = [colour_of(time, tracks.shape[1]) for time in range(first, number + 1)]
    _draw_lines(layer, positions, [OUTLINE] * len(times), thickness, border=math.ceil(thickness / 2))
    _draw_lines(layer, positions, times, thickness)
    drawn = from_image(layer).to(frame)
    return torch.lerp(frame, drawn[..., :3], drawn[..., 3:])


def colour_of(number: int, count: int) -> Colour:
    """The colour of frame `number`, counted from 0, of `count` frames."""
    place = (len(TIMES) - 1) * number / max(1, count - 1)
    before = min(int(place), len(TIMES) - 2)
    pairs = zip(TIMES[before], TIMES[before + 1], strict=True)
    red, green, blue = (round(low + (place - before) * (high - low)) for low, high in pairs)
    return red, green, blue


def draw_times(width: int, height: int) -> Image.Image:
    """Draws the colours of all times, from the first frame at the left to the last at the right."""
    line = Image.new("RGB", (width, 1))
    line.putdata([colour_of(column, width) for column in range(width)])
    return line.resize((width, height))


def thin_out(tracks: Tracks, cells: int) -> Tracks:
    """Keeps one track for each square in which one begins. cells: how many squares lie along the shorter side."""
    side = min(tracks.height, tracks.width) / cells
    places = (tracks.positions[:, 0] / side).floor().tolist()
    first = {(x, y): number for number, (x, y) in reversed(list(enumerate(places)))}
    return Tracks(tracks.positions[sorted(first.values())], tracks.height, tracks.width)


def check_tracks(tracks: Tensor, frames: int) -> None:
    """Raises OptionError unless tracks are (T, frames, 2)."""
    if tracks.ndim != 3 or tracks.shape[1:] != (frames, 2):
        raise OptionError(
            f"tracks of shape {tuple(tracks.shape)} don't fit {frames} frames; give (tracks, {frames}, 2)"
        )


def _draw_lines(
    layer: Image.Image,
    tracks: Sequence[Sequence[Sequence[float]]],
    colours: Sequence[Colour],
    thickness: int,
    border: int = 0,
) -> None:
    """Draws positions (x, y) as lines that fade into the past, with a point at the last. colours: of each position."""
    draw = ImageDraw.Draw(layer)
    for track in tracks:
        for number, (start, end) in enumerate(pairwise(track), start=1):
            fade = round(255 * number / len(track))
            draw.line([*start, *end], fill=(*colours[number], fade), width=thickness + 2 * border)
    radius = thickness + border
    for track in tracks:
        x, y = track[-1]
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=(*colours[-1], 255))
