"""Lends a model to learning and gives it back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Within the block nothing of the model is trained and no dropout is active; after it every
    requires_grad and every training flag is as before, whatever happened inside.
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
