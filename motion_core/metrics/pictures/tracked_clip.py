"""A clip with its tracks, below a line that says how far it is: a player's controls cover what is at the bottom."""

import torch
from PIL import Image
from torch import Tensor

from ...tracking.drawing import colour_of, draw_times, draw_tracks, thin_out
from ...tracking.tracks import Tracks
from ...video.pictures.pixels import check_frames, find_scale, from_image
from ...video.pictures.text import BACKGROUND, TEXT_COLOUR, draw_text

LETTERS = 20
"""Text is as high as the picture is wide, divided by this: readable in a node, however large the picture is."""
SMALLEST_TEXT = 11
"""Pixels."""
CELLS = 12
"""How many tracks are drawn along the shorter side of a frame."""


def draw_tracked_clip(frames: Tensor, tracks: Tracks) -> Tensor:
    """Draws the tracks over the frames, and above each the time in the colours of the tracks: (N, H', W', 3).

    Small frames are enlarged by a whole number. Tracks that begin close to others are left out.
    frames: (N, H, W, 3) floats of 0..1. Raises OptionError for other shapes.
    """
    check_frames(frames)
    height, width = frames.shape[1:3]
    drawn = draw_tracks(frames, thin_out(tracks, CELLS).scaled(height, width), find_scale(height, width))
    count, _, width = drawn.shape[:3]
    size = max(SMALLEST_TEXT, width // LETTERS)
    times = draw_times(width, max(2, size // 3))
    said = f"{len(tracks.positions)} points, frame {{}} of {count}"
    lines = [_draw_line(times, number, count, draw_text(said.format(number + 1), size)) for number in range(count)]
    return torch.cat([torch.stack([from_image(line).to(drawn) for line in lines]), drawn], 1)


def _draw_line(times: Image.Image, number: int, count: int, text: Image.Image) -> Image.Image:
    """Draws a text above the colours of all times, where that of frame `number`, counted from 0, is marked."""
    gap = times.height
    mark = 3 * gap
    line = Image.new("RGB", (times.width, text.height + 3 * gap), BACKGROUND)
    line.paste(text, (gap, 0))
    line.paste(times, (0, text.height + gap))
    left = round((times.width - mark) * number / max(1, count - 1))
    line.paste(TEXT_COLOUR, (left, text.height, left + mark, line.height))
    line.paste(colour_of(number, count), (left + 1, text.height + 1, left + mark - 1, line.height - 1))
    return line
