"""Latents of the host and of the core. The host's batch is the clip's frames (N, C, h, w); the core's clips are
(B, C, N, h, w).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from ...motion_core.errors import OptionError


def to_core(frames: Tensor) -> Tensor:
    """(N, C, h, w) -> (1, C, N, h, w)."""
    return frames.transpose(0, 1)[None]


def to_host(clip: Tensor) -> Tensor:
    """(1, C, N, h, w) -> (N, C, h, w)."""
    return clip[0].transpose(0, 1)


def split_clips(latents: Tensor, clips: int, widget: str = "clips") -> list[Tensor]:
    """Splits (clips * N, C, h, w) into as many clips (N, C, h, w). widget: where their number comes from.

    Raises OptionError.
    """
    if len(latents) % clips:
        raise OptionError(
            f"{widget} is {clips}, and {len(latents)} frames are not {clips} clips of one length; "
            "give the number that Augment or Recolour Reference Video gives"
        )
    return list(latents.split(len(latents) // clips))


def shrink_mask(mask: Tensor, frames: Tensor) -> Tensor:
    """Shrinks a MASK (1 or N, H, W) to loss weights (N, h, w) of frames (N, C, h, w)."""
    small = functional.interpolate(mask[:, None].float(), size=tuple(frames.shape[2:]), mode="area")[:, 0]
    return small.expand(len(frames), -1, -1) if len(small) == 1 else small


def check_latents(model: Any, latents: Tensor) -> None:
    """Raises OptionError unless latents are (N, C, h, w) as MODEL takes them."""
    channels = model.get_model_object("latent_format").latent_channels
    if latents.ndim != 4 or latents.shape[1] != channels:
        raise OptionError(
            f"latents have shape {tuple(latents.shape)} and the model takes (frames, {channels}, height, width); "
            "encode the reference with the VAE that belongs to the model"
        )
