"""Images, and folders whose images are the frames of a clip."""

import re
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..errors import VideoError
from .containers.input_checks import check_frame_size
from .frames.resizing import lay_on_black

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def list_images(folder: Path) -> list[Path]:
    """The images of a folder in natural order: frame2 before frame10. Raises VideoError if there is none."""
    images = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    if not images:
        raise VideoError(f"{folder} holds no images; put frames in it as {', '.join(IMAGE_SUFFIXES)}")
    return sorted(images, key=lambda image: (split_numbers(image.name), image.name))


def split_numbers(name: str) -> list[str | int]:
    """A key for natural order: the name as alternating text and numbers."""
    return [int(part) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", name)]


def read_image(path: Path) -> Tensor:
    """Reads an image as (H, W, 3) uint8, upright, transparency on black."""
    with Image.open(path) as image:
        check_frame_size(path, *image.size)
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16 bits per pixel, which convert() clips instead of scaling
            upright = upright.convert("I").point(lambda value: value / 256).convert("L")
        width, height = upright.size
        data = bytearray(upright.convert("RGBA").tobytes())
    return lay_on_black(torch.frombuffer(data, dtype=torch.uint8).view(height, width, 4))
