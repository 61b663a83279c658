"""Cropping, padding and resizing of frames, and removal of transparency."""

from pathlib import Path

import torch
from torch import Tensor

from ...errors import VideoError
from .options import SIZE_STEP


def lay_on_black(pixels: Tensor) -> Tensor:
    """Puts pixels (H, W, 3 or 4) uint8 on a black background: (H, W, 3) uint8."""
    colours, alpha = pixels[..., :3], pixels[..., 3:]
    if (alpha == 255).all():  # True without an alpha channel too
        return colours
    return ((colours.to(torch.int32) * alpha + 127) // 255).to(torch.uint8)


def crop_to_blocks(pixels: Tensor, path: Path) -> Tensor:
    """Crops (H, W, 3) so that both sides are multiples of 8. Raises VideoError below 8x8."""
    height, width = pixels.shape[:2]
    if min(height, width) < SIZE_STEP:
        raise VideoError(f"{path} has frames of {width}x{height} pixels; use a clip of at least 8x8")
    return crop_centre(pixels, height - height % SIZE_STEP, width - width % SIZE_STEP)


def fit_frame(pixels: Tensor, height: int, width: int, fit: str) -> Tensor:
    """Fits (H, W, 3) uint8 into (height, width, 3) and keeps the aspect. fit: `crop` or `pad`, see `ClipOptions`."""
    h, w = pixels.shape[:2]
    if fit == "crop":
        scale = min(h / height, w / width)
        return resize(crop_centre(pixels, scale_side(height, scale), scale_side(width, scale)), height, width)
    scale = min(height / h, width / w)
    inner_height, inner_width = scale_side(h, scale), scale_side(w, scale)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    padded = pixels.new_zeros(height, width, 3)
    padded[top : top + inner_height, left : left + inner_width] = resize(pixels, inner_height, inner_width)
    return padded


def scale_side(side: int, scale: float) -> int:
    """A side in pixels times a scale, at least 1."""
    return max(1, round(side * scale))


def crop_centre(pixels: Tensor, height: int, width: int) -> Tensor:
    """Cuts the centre (height, width, 3) out of (H, W, 3)."""
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width].contiguous()


def resize(pixels: Tensor, height: int, width: int) -> Tensor:
    """Resizes (H, W, 3) to (height, width, 3), bilinear with antialiasing."""
    if pixels.shape[:2] == (height, width):
        return pixels
    planes = pixels.permute(2, 0, 1)[None]
    planes = torch.nn.functional.interpolate(planes, (height, width), mode="bilinear", antialias=True)
    return planes[0].permute(1, 2, 0).contiguous()
