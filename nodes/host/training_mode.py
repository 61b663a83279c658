"""The host's own mark that gradients are needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import comfy.model_management


@contextmanager
def training_mode() -> Iterator[None]:
    """Within the block the host runs the parts of its models that have a backward. Older hosts have no others."""
    before = getattr(comfy.model_management, "in_training", None)
    if before is None:
        yield
        return
    try:
        comfy.model_management.in_training = True
        yield
    finally:
        comfy.model_management.in_training = before
