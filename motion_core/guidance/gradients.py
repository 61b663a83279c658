"""Gradients on latents, through a model that stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..errors import MotionError
from ..memory.freezing import frozen
from ..memory.modes import in_mode
from ..models.family import find_modules_by_level


@contextmanager
def differentiable(module: nn.Module, z: Tensor, memory: str) -> Iterator[Tensor]:
    """A copy of the latents from which gradients are tracked through the model within the block.

    memory: see `motion_core.memory.modes`. The model is as before afterwards, whatever happened.
    """
    saving = in_mode(memory, find_modules_by_level(module), z.device)
    with frozen(module), saving, torch.inference_mode(False), torch.enable_grad():
        yield z.clone().requires_grad_()


def differentiate(loss: Tensor, z: Tensor, t: int) -> Tensor:
    """The gradient of the loss on z at timestep t. Raises MotionError where it is not finite."""
    (gradient,) = torch.autograd.grad(loss, z)
    if not gradient.isfinite().all():
        raise MotionError(f"the gradient at timestep {t} is not finite; load the model in float32 or bfloat16")
    return gradient
