"""What the core asks of a text-to-video model that it has loaded itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from ..diffusion.denoiser import Condition, Denoiser


class VideoModel(Protocol):
    """name: its folder's; frames: how many it was trained on, 0 where unknown; vae, text_encoder: its other parts."""

    @property
    def name(self) -> str: ...

    @property
    def frames(self) -> int: ...

    @property
    def denoiser(self) -> Denoiser: ...

    @property
    def vae(self) -> Any: ...

    @property
    def text_encoder(self) -> Any: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def factor(self) -> int:
        """Pixels to a latent pixel, along each side."""
        ...

    @property
    def usual_size(self) -> tuple[int, int]:
        """(width, height) in pixels that it was trained on."""
        ...

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, ...]:
        """(1, C, N, h, w) of a clip's latents."""
        ...

    def clip_frames(self, latent_frames: int) -> int:
        """The frames that so many latent frames are decoded to."""
        ...

    def encode_text(self, prompts: Sequence[str]) -> Sequence[Condition]:
        """The conditions that mean the prompts."""
        ...

    def add_image(self, condition: Any, image: Tensor, frames: int) -> Condition:
        """A condition that also shows the first frame (H, W, 3) in 0..1 of a clip of so many frames.

        Raises ModelError for a model that takes none.
        """
        ...

    def encode(self, frames: Tensor) -> Tensor:
        """Pixels (F, H, W, 3) in 0..1 to latents (1, C, N, h, w), float32. Raises ModelError for an unsuitable size."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (1, C, N, h, w) to pixels (F, H, W, 3) in 0..1 on the CPU."""
        ...
