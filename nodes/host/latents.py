"""Latents of the host and of the core.

The host has two layouts: frames as a batch (N, C, h, w), for UNets, and videos (B, C, N, h, w), for models such as Wan.
The core's clips are (B, C, N, h, w).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ...motion_core.errors import OptionError


def to_core(latents: Tensor) -> Tensor:
    """(N, C, h, w) or (1, C, N, h, w) -> (1, C, N, h, w)."""
    return latents if is_video(latents) else latents.transpose(0, 1)[None]


def to_host(clip: Tensor, like: Tensor) -> Tensor:
    """(1, C, N, h, w) -> the layout of the host's latents `like`."""
    return clip if is_video(like) else clip[0].transpose(0, 1)


def is_video(latents: Tensor) -> bool:
    """Whether latents have a dimension for time."""
    return latents.ndim == 5


def count_frames(latents: Tensor) -> int:
    """The latent frames of a clip."""
    return latents.shape[2] if is_video(latents) else len(latents)


def first_frame(latents: Tensor) -> Tensor:
    """The first latent frame, in the layout of the latents."""
    return frame_at(latents, 0)


def frame_at(latents: Tensor, number: int) -> Tensor:
    """A latent frame, in the layout of the latents."""
    return latents[:, :, number : number + 1] if is_video(latents) else latents[number : number + 1]


def split_clips(latents: Tensor, clips: int, widget: str = "clips") -> list[Tensor]:
    """Splits (clips * N, C, h, w), or (clips, C, N, h, w), into as many clips. widget: where their number comes from.

    Raises OptionError.
    """
    if is_video(latents):
        if len(latents) != clips:
            raise OptionError(
                f"{widget} is {clips}, and the latent holds {len(latents)}; encode each clip on its own and join them "
                "with Latent Batch"
            )
        return list(latents.split(1))
    if len(latents) % clips:
        raise OptionError(
            f"{widget} is {clips}, and {len(latents)} frames are not {clips} clips of one length; "
            "give the number that Augment or Recolour Reference Video gives"
        )
    return list(latents.split(len(latents) // clips))


def shrink_mask(mask: Tensor, latents: Tensor) -> Tensor:
    """Shrinks a MASK (1 or F, H, W) to loss weights (N, h, w) of a clip's latents.

    Where a latent frame holds four frames, it has their mean; the first holds one.
    """
    small = functional.interpolate(mask[:, None].float(), size=tuple(latents.shape[-2:]), mode="area")[:, 0]
    frames = count_frames(latents)
    if len(small) == 1:
        return small.expand(frames, -1, -1)
    if is_video(latents) and len(small) == 4 * (frames - 1) + 1:
        return torch.cat([small[:1], small[1:].unflatten(0, (-1, 4)).mean(1)])
    return small


def check_latents(model: Any, latents: Tensor) -> None:
    """Raises OptionError unless latents are as MODEL takes them, and those of one clip."""
    wanted = model.get_model_object("latent_format")
    channels, video = wanted.latent_channels, wanted.latent_dimensions == 3
    if is_video(latents) != video or latents.shape[1] != channels or latents.ndim not in (4, 5):
        layout = f"(1, {channels}, frames, height, width)" if video else f"(frames, {channels}, height, width)"
        raise OptionError(
            f"latents have shape {tuple(latents.shape)} and the model takes {layout}; "
            "encode the reference with the VAE that belongs to the model"
        )
    if video and len(latents) != 1:
        raise OptionError(f"the latent holds {len(latents)} clips; give one")
