"""Latents between the host's layout, (N, C, h, w) with the frames as the batch, and the core's, (1, C, N, h, w)."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from ...motion_core.errors import OptionError

LATENT_PIXELS = 8
"""Pixels per latent pixel, along each side, in every model family that is supported."""


def to_core(frames: Tensor) -> Tensor:
    """Views (N, C, h, w) as (1, C, N, h, w)."""
    return frames.transpose(0, 1)[None]


def to_host(clip: Tensor) -> Tensor:
    """Views (1, C, N, h, w) as (N, C, h, w)."""
    return clip[0].transpose(0, 1)


def check_latents(model: Any, latents: Tensor) -> None:
    """Raises OptionError unless latents are (N, C, h, w) as MODEL takes them."""
    channels = model.get_model_object("latent_format").latent_channels
    if latents.ndim != 4 or latents.shape[1] != channels:
        raise OptionError(
            f"latents have shape {tuple(latents.shape)} and the model takes (frames, {channels}, height, width); "
            "encode the reference with the VAE that belongs to the model"
        )


def describe_size(latents: Tensor) -> str:
    """Returns frames and pixels of (N, C, h, w), for error messages."""
    height, width = (LATENT_PIXELS * side for side in latents.shape[-2:])
    return f"{len(latents)} frames of {width}x{height}"


def split_clips(latents: Tensor, clips: int) -> list[Tensor]:
    """Splits (clips * N, C, h, w) into as many of (N, C, h, w). Raises OptionError."""
    if len(latents) % clips:
        raise OptionError(
            f"{len(latents)} frames are not {clips} clips of one length; "
            "give the number that Augment or Recolour Reference Video gives"
        )
    return list(latents.split(len(latents) // clips))


def shrink_mask(mask: Tensor, clip: Tensor) -> Tensor:
    """Shrinks a MASK (1 or N, H, W) to loss weights (N, h, w) for a clip (1, C, N, h, w)."""
    frames, size = clip.shape[2], tuple(clip.shape[3:])
    small = functional.interpolate(mask[:, None].float(), size=size, mode="area")[:, 0]
    return (small.expand(frames, -1, -1) if len(small) == 1 else small).to(clip.device)
