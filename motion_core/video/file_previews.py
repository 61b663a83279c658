"""Previews: small looping WebP animations that a motion file has room for."""

import io

import torch
from PIL import Image
from torch import Tensor

from .pictures.pixels import check_frames, to_image

MOST_BYTES = 100_000
_SIZES = ((256, 80), (256, 60), (192, 60), (192, 40), (128, 40), (96, 30), (64, 20), (32, 10))
"""The longer side in pixels and the quality, in the order in which they are tried."""
_MOST_FRAMES = 48
_MILLISECONDS = (20, 10_000)
"""How long a frame may be shown; players show shorter ones longer."""
_MOST_SIDE, _MOST_READ = 512, 256
"""Of a preview that is read: pixels of a side, and frames."""


def encode_preview(frames: Tensor, fps: float) -> bytes:
    """Returns a looping WebP of at most 100 kB. The same frames give the same bytes.

    frames: (N, H, W, 3) floats of 0..1, of which at most 48 are shown, evenly spaced; fps: frames a second.
    Size and quality are reduced until it fits. Raises OptionError for frames of another shape.
    """
    check_frames(frames)
    numbers = torch.linspace(0, len(frames) - 1, min(len(frames), _MOST_FRAMES)).round().long().tolist()
    pictures = [_shrink(to_image(frames[number]), _SIZES[0][0]) for number in numbers]
    low, high = _MILLISECONDS
    delay = round(min(high, max(low, 1000 / max(fps, 1e-3) * len(frames) / len(pictures))))
    encoded = b""
    for side, quality in _SIZES:
        pictures = [_shrink(picture, side) for picture in pictures]
        encoded = _encode(pictures, quality, delay)
        if len(encoded) <= MOST_BYTES:
            break
    return encoded


def count_preview_frames(data: bytes) -> int:
    """Returns how many frames a preview has; 0 for anything that is no WebP of a preview's size."""
    if not 0 < len(data) <= MOST_BYTES:
        return 0
    try:
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
            count = getattr(image, "n_frames", 1)
            if max(image.size) > _MOST_SIDE or count > _MOST_READ:
                return 0
            image.load()
    except Exception:  # a hostile file can raise anything
        return 0
    return count


def _shrink(picture: Image.Image, side: int) -> Image.Image:
    """Returns the picture with its longer side at most that long."""
    scale = side / max(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(1, round(length * scale)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _encode(pictures: list[Image.Image], quality: int, delay: int) -> bytes:
    first, *others = pictures
    buffer = io.BytesIO()
    first.save(buffer, "WEBP", save_all=True, append_images=others, duration=delay, loop=0, quality=quality, method=4)
    return buffer.getvalue()
