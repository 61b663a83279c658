"""Captures the spatial means of features while a model runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..models.families import recognize


@contextmanager
def capture_means(module: nn.Module, block: str, clips: int) -> Iterator[dict[str, Tensor]]:
    """Within the block, a forward of `module` leaves the means of each feature of one of its blocks, and stops there.

    The `with` block ends with the forward, once the last feature is there. block: as in `Family.find_features`.
    clips: how many the forward holds. Means: by name, (clips, N, C) over h and w, float32 where the model is in half
    precision. Gradients flow through them, with checkpointing too. Raises ModelError.
    """
    layers = recognize(module).family.find_features(module, block)
    means: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_hook(partial(_note, means, name, len(layers), clips)).remove)
        try:
            yield means
        except _LastFeature as last:
            if last.means is not means:  # it belongs to a block around this one
                raise
    missing = [name for name in layers if name not in means]
    if missing:
        raise ModelError(f"no forward came through {missing[0]}, so it has no features; run the model inside the block")


class _LastFeature(Exception):
    """Ends a forward that has nothing more to give."""

    def __init__(self, means: dict[str, Tensor]):
        self.means = means


def _note(
    means: dict[str, Tensor], name: str, count: int, clips: int, _layer: nn.Module, _args: object, output: Tensor
) -> None:
    if output.ndim != 4 or len(output) % clips:
        raise ModelError(f"{name} gives {tuple(output.shape)} for {clips} clips; guide by another block")
    wide = output.to(torch.promote_types(output.dtype, torch.float32))
    means[name] = wide.mean((2, 3)).unflatten(0, (clips, -1))  # (B * N, C, h, w) -> (B, N, C)
    if len(means) == count:
        raise _LastFeature(means)
