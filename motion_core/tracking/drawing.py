"""Tracks drawn over the frames that they were taken from."""

import colorsys
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..errors import OptionError
from ..video.pictures.pixels import check_frames, enlarge, from_image

Colour = tuple[int, int, int]


def draw_tracks(frames: Tensor, tracks: Tensor, scale: int = 1, trail: int = 8) -> Tensor:
    """Each track as a point and, fading, the way it came; the rest of the picture stays as it is.

    frames: (N, H, W, 3) floats of 0..1; tracks: (T, N, 2) in their pixels; scale: whole-number enlargement of the
    frames before the drawing; trail: for how many frames a way is seen. -> (N, H * scale, W * scale, 3).
    Raises OptionError for other shapes.
    """
    check_frames(frames)
    if tracks.ndim != 3 or tracks.shape[1:] != (len(frames), 2):
        raise OptionError(
            f"tracks of shape {tuple(tracks.shape)} don't fit {len(frames)} frames; give (tracks, {len(frames)}, 2)"
        )
    points = (tracks.detach().cpu() + 0.5) * scale - 0.5
    colours = [_pick_colour(track / max(1, len(tracks))) for track in range(len(tracks))]
    drawn = [
        _draw_trails(frame, points[:, max(0, number - trail) : number + 1].tolist(), colours)
        for number, frame in enumerate(enlarge(frames, scale))
    ]
    return torch.stack(drawn)


def _pick_colour(share: float) -> Colour:
    """Around the wheel of hues, so that points of one row, which follow each other, are of like colours."""
    red, green, blue = colorsys.hsv_to_rgb(share, 0.8, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw_trails(frame: Tensor, trails: Sequence[Sequence[Sequence[float]]], colours: Sequence[Colour]) -> Tensor:
    """frame: (H, W, 3); trails: by track, the places (x, y) up to now."""
    height, width = frame.shape[:2]
    thick = max(1, round(min(height, width) / 250))
    ink = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(ink)
    for places, colour in zip(trails, colours, strict=True):
        for age in range(len(places) - 1, 0, -1):
            fade = round(255 * (1 - age / len(places)))
            draw.line([*places[-age - 1], *places[-age]], fill=(*colour, fade), width=thick)
        x, y = places[-1]
        draw.ellipse([x - thick, y - thick, x + thick, y + thick], fill=(*colour, 255))
    drawn = from_image(ink).to(frame)
    return torch.lerp(frame, drawn[..., :3], drawn[..., 3:])
