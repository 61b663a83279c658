"""What the core asks of a model: its noise prediction, nothing else. A host gives its own."""

from typing import Protocol

from torch import Tensor, nn

from .schedule import NoiseSchedule


class Denoiser(Protocol):
    """A video diffusion model. module: where its attention sites are; schedule: what it was trained on."""

    @property
    def module(self) -> nn.Module: ...

    @property
    def schedule(self) -> NoiseSchedule: ...

    def predict(self, z: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """The noise in z. z: (B, C, N, h, w); t: (B,) timesteps, on the CPU where nobody is to wait for a GPU; text:
        (B, L, D) features; result like z.
        """
        ...
