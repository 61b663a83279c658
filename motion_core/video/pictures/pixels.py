"""Conversions between float pixels, bytes and images."""

import torch
from PIL import Image
from torch import Tensor

from ...errors import OptionError

SHOWN_SIDE = 256
"""Pixels."""


def to_bytes(pixels: Tensor) -> Tensor:
    """Converts (..., 3) floats of 0..1 to contiguous uint8 on the CPU."""
    pixels = pixels.detach().to("cpu", torch.float32).nan_to_num(0.0).clamp(0, 1)
    return (pixels * 255).round().to(torch.uint8).contiguous()


def to_image(pixels: Tensor) -> Image.Image:
    """Converts (H, W, 3) floats of 0..1 to an RGB image."""
    return Image.fromarray(to_bytes(pixels).numpy())


def from_image(image: Image.Image) -> Tensor:
    """Converts an RGB or RGBA image to (H, W, 3 or 4) float32 of 0..1."""
    data = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return data.view(image.height, image.width, -1) / 255


def enlarge(frames: Tensor, scale: int) -> Tensor:
    """Repeats each pixel of (N, H, W, 3) `scale` times along both sides."""
    return frames.repeat_interleave(scale, 1).repeat_interleave(scale, 2)


def find_scale(height: int, width: int) -> int:
    """The whole number by which a frame is enlarged to be looked at, so that its longer side is about `SHOWN_SIDE`."""
    return max(1, round(SHOWN_SIDE / max(height, width)))


def check_frames(frames: Tensor) -> None:
    """Raises OptionError unless frames are (N, H, W, 3) floats."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape or not frames.is_floating_point():
        raise OptionError(f"frames of shape {tuple(frames.shape)}, {frames.dtype}, must be (N, H, W, 3) floats of 0..1")
