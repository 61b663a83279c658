"""What a backward through the host's models needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import comfy.model_management
from torch import nn
from torch.autograd.graph import allow_mutation_on_saved_tensors

from ...motion_core.models.ltx.sites import is_ltx


@contextmanager
def training_mode(module: nn.Module) -> Iterator[None]:
    """Within the block the host runs the parts of its models that have a backward. Older hosts have no others.

    LTX's blocks change tensors in place that a backward needs, so these are copied. Doing that slows down every model.
    """
    with allow_mutation_on_saved_tensors() if is_ltx(module) else nullcontext(), _marked():
        yield


@contextmanager
def _marked() -> Iterator[None]:
    """Sets the host's own mark, where it has one."""
    before = getattr(comfy.model_management, "in_training", None)
    if before is None:
        yield
        return
    try:
        comfy.model_management.in_training = True
        yield
    finally:
        comfy.model_management.in_training = before
