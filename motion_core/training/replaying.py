"""Records what a GPU does for a prediction and its gradient, once, and plays that again for each step, so that it does
not wait for Python to send one kernel after another (CUDA graphs).
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..diffusion.denoiser import Denoiser
from ..diffusion.schedule import NoiseSchedule
from ..errors import first_line

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ReplayedDenoiser:
    """A `Denoiser` whose predictions with gradients are played from a record; all are of one size.

    played: called with z, t, text and what gets gradients; parameters: that.
    """

    denoiser: Denoiser
    played: Callable[..., Any]
    parameters: Sequence[Tensor]

    @property
    def module(self) -> nn.Module:
        return self.denoiser.module

    @property
    def schedule(self) -> NoiseSchedule:
        return self.denoiser.schedule

    def predict(self, z: Tensor, t: Tensor, text: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return self.denoiser.predict(z, t, text)
        predicted: Tensor = self.played(z, t.to(z.device), text, *self.parameters)
        return predicted


def record(denoiser: Denoiser, z: Tensor, t: Tensor, text: Tensor, parameters: Sequence[Tensor]) -> Denoiser:
    """The denoiser with its predictions recorded, or as it is, with the reason logged, where that does not work: a
    recording allows nothing that waits for the GPU. What is injected must stay so; z, t, text: of the size to be
    played, on the GPU.
    """
    if not can_record(z.device):
        logger.warning("CUDA graphs need an NVIDIA GPU, and this is %s; learning goes on without them", z.device)
        return denoiser

    def predict(z: Tensor, t: Tensor, text: Tensor, *_: Tensor) -> Tensor:
        return denoiser.predict(z, t, text)

    examples = tuple(tensor.detach().clone() for tensor in (z, t, text))
    try:
        with torch.enable_grad():
            # the parameters themselves: the recording reads, and the optimiser writes, the same memory
            played = torch.cuda.make_graphed_callables(predict, (*examples, *parameters), allow_unused_input=True)
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        logger.warning("CUDA graphs do not work here (%s); learning goes on without them", first_line(error))
        return denoiser
    return ReplayedDenoiser(denoiser, played, parameters)


@contextmanager
def released() -> Iterator[None]:
    """After the block what was recorded in it has given its memory back: a record refers to itself."""
    try:
        yield
    finally:
        gc.collect()


def can_record(device: torch.device) -> bool:
    return device.type == "cuda"
