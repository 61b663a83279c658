"""Gradients on latents through a frozen model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..diffusion.denoiser import Denoiser
from ..errors import MotionError
from ..memory.freezing import frozen
from ..memory.modes import in_mode
from ..models.families import recognize
from .shared_options import Optimising


@contextmanager
def differentiable(module: nn.Module, z: Tensor, memory: str) -> Iterator[Tensor]:
    """Yields a copy of the latents. Within the block gradients are tracked from it through the model.

    memory: see `motion_core.memory.modes`. The model is as before afterwards, also after an error.
    """
    saving = in_mode(memory, recognize(module).group_by_level(), z.device)
    with frozen(module), saving, torch.inference_mode(False), torch.enable_grad():
        yield z.clone().requires_grad_()


def differentiate(loss: Tensor, z: Tensor, t: float) -> Tensor:
    """Returns the gradient of the loss on z at timestep t. Raises MotionError where it is not finite."""
    (gradient,) = torch.autograd.grad(loss, z)
    if not gradient.isfinite().all():
        raise MotionError(f"the gradient at timestep {t} is not finite; load the model in float32 or bfloat16")
    return gradient


def optimise(
    denoiser: Denoiser,
    z: Tensor,
    t: float,
    loss_of: Callable[[Tensor], Tensor],
    *,
    learning_rate: float,
    config: Optimising,
) -> Tensor:
    """Lowers a loss of latents z at noise level t by a few steps of Adam, new each time. Raises MotionError."""
    with differentiable(denoiser.module, z, config.memory) as latents:
        adam = torch.optim.Adam([latents], lr=learning_rate)
        for _ in range(config.optimisation_steps):
            latents.grad = differentiate(loss_of(latents), latents, t)
            adam.step()
    return latents.detach()
