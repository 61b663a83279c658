"""Drawing tracks over the frames of their clip."""

import colorsys
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..errors import OptionError
from ..video.pictures.pixels import check_frames, enlarge, from_image

Colour = tuple[int, int, int]


def draw_tracks(frames: Tensor, tracks: Tensor, scale: int = 1, trail: int = 8) -> Tensor:
    """Draws each track as a point with a fading trail: (N, H * scale, W * scale, 3). Other pixels stay unchanged.

    frames: (N, H, W, 3) floats of 0..1; tracks: (T, N, 2) in their pixels; scale: a whole number by which the frames
    are enlarged first; trail: how many frames back the trail reaches. Raises OptionError for other shapes.
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
    """A colour by hue. Points in one row of the grid come one after another, so they get similar colours."""
    red, green, blue = colorsys.hsv_to_rgb(share, 0.8, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw_trails(frame: Tensor, trails: Sequence[Sequence[Sequence[float]]], colours: Sequence[Colour]) -> Tensor:
    """Draws on one frame (H, W, 3). trails: by track, its last positions (x, y), the current one last."""
    height, width = frame.shape[:2]
    thickness = max(1, round(min(height, width) / 250))
    layer = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(layer)
    for positions, colour in zip(trails, colours, strict=True):
        for age in range(len(positions) - 1, 0, -1):
            fade = round(255 * (1 - age / len(positions)))
            draw.line([*positions[-age - 1], *positions[-age]], fill=(*colour, fade), width=thickness)
        x, y = positions[-1]
        draw.ellipse([x - thickness, y - thickness, x + thickness, y + thickness], fill=(*colour, 255))
    drawn = from_image(layer).to(frame)
    return torch.lerp(frame, drawn[..., :3], drawn[..., 3:])
