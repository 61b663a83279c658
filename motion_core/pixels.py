"""Pixels as bytes, as pictures and videos hold them."""

import torch
from torch import Tensor


def to_bytes(pixels: Tensor) -> Tensor:
    """(..., 3) floats of 0..1 -> contiguous uint8 on the CPU."""
    pixels = pixels.detach().to("cpu", torch.float32).nan_to_num(0.0).clamp(0, 1)
    return (pixels * 255).round().to(torch.uint8).contiguous()
