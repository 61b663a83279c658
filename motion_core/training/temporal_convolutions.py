"""Runs parts of a model through kernels that do the same faster; results are the same but for rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from ..memory.checkpointing import wrapped


@contextmanager
def in_fast_kernels(module: nn.Module) -> Iterator[None]:
    """Within the block, convolutions along the frames alone run as 2D ones over (N, h*w), for which libraries have
    better kernels: measured on a CPU, see `benchmarks/learning.py`.
    """
    with wrapped([part for part in module.modules() if _is_temporal(part)], _flat):
        yield


def _is_temporal(part: nn.Module) -> bool:
    """A host's own kind of convolution does more than convolve, and is left alone."""
    return (
        type(part) is nn.Conv3d
        and part.kernel_size[1:] == part.stride[1:] == (1, 1)
        and not isinstance(part.padding, str)
        and part.padding[1:] == (0, 0)
        and part.padding_mode == "zeros"
    )


def _flat(layer: Any, _forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Tensor) -> Tensor:
        padding, dilation = (layer.padding[0], 0), (layer.dilation[0], 1)
        weight = layer.weight.flatten(3)  # (out, in, k, 1)
        y = functional.conv2d(x.flatten(3), weight, layer.bias, (layer.stride[0], 1), padding, dilation, layer.groups)
        return y.unflatten(3, x.shape[3:])  # (B, out, N, h, w)

    return run
