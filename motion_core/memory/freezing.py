"""Freezes a model while something else is trained on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Within the block no weight takes a gradient and no dropout is active.

    Afterwards every requires_grad and every training flag is as before, also after an error.
    """
    wants_grad = [(p, p.requires_grad) for p in module.parameters()]
    training = [(m, m.training) for m in module.modules()]
    try:
        for parameter, _ in wants_grad:
            parameter.requires_grad_(False)
        module.eval()
        yield
    finally:
        for parameter, wanted in wants_grad:
            parameter.requires_grad_(wanted)
        for part, flag in training:
            part.training = flag
