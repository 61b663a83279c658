"""Frames of any size to frames of the asked one: cropped, padded, resized; transparency on black."""

from pathlib import Path

import torch
from torch import Tensor

from ...errors import VideoError
from .options import SIZE_STEP


def lay_on_black(pixels: Tensor) -> Tensor:
    """(H, W, 3 or 4) uint8 -> (H, W, 3) uint8."""
    colours, alpha = pixels[..., :3], pixels[..., 3:]
    if (alpha == 255).all():  # also when there is none
        return colours
    return ((colours.to(torch.int32) * alpha + 127) // 255).to(torch.uint8)


def crop_to_blocks(pixels: Tensor, path: Path) -> Tensor:
    """(H, W, 3), both sides rounded down to multiples of 8."""
    height, width = pixels.shape[:2]
    if min(height, width) < SIZE_STEP:
        raise VideoError(f"{path} has frames of {width}x{height} pixels; use a clip of at least 8x8")
    return crop_centre(pixels, height - height % SIZE_STEP, width - width % SIZE_STEP)


def fit_frame(pixels: Tensor, height: int, width: int, fit: str) -> Tensor:
    """(H, W, 3) uint8 -> (height, width, 3) uint8, the aspect kept."""
    h, w = pixels.shape[:2]
    if fit == "crop":
        scale = min(h / height, w / width)
        return resize(crop_centre(pixels, share(height, scale), share(width, scale)), height, width)
    scale = min(height / h, width / w)
    inner_height, inner_width = share(h, scale), share(w, scale)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    padded = pixels.new_zeros(height, width, 3)
    padded[top : top + inner_height, left : left + inner_width] = resize(pixels, inner_height, inner_width)
    return padded


def share(side: int, scale: float) -> int:
    return max(1, round(side * scale))


def crop_centre(pixels: Tensor, height: int, width: int) -> Tensor:
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width].contiguous()


def resize(pixels: Tensor, height: int, width: int) -> Tensor:
    if pixels.shape[:2] == (height, width):
        return pixels
    planes = pixels.permute(2, 0, 1)[None]
    planes = torch.nn.functional.interpolate(planes, (height, width), mode="bilinear", antialias=True)
    return planes[0].permute(1, 2, 0).contiguous()
