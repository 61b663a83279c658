"""Runs convolutions along time as 2D convolutions. The results are the same but for rounding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn import functional

from ..memory.wrapped_forward import Forward, wrapped


@contextmanager
def as_2d_convolutions(module: nn.Module) -> Iterator[None]:
    """Within the block, convolutions along the frames alone run as 2D ones over (N, h*w).

    Libraries have faster kernels for those; `benchmarks/` measures the difference on a CPU.
    """
    with wrapped([part for part in module.modules() if _is_temporal(part)], _run_in_2d):
        yield


def _is_temporal(part: nn.Module) -> bool:
    """Whether it is torch's own Conv3d with a kernel of (k, 1, 1). A host's own class does more than convolve."""
    return (
        type(part) is nn.Conv3d
        and part.kernel_size[1:] == part.stride[1:] == (1, 1)
        and not isinstance(part.padding, str)
        and part.padding[1:] == (0, 0)
        and part.padding_mode == "zeros"
    )


def _run_in_2d(layer: nn.Module, _forward: Forward) -> Forward:
    assert isinstance(layer, nn.Conv3d)

    def run(x: Tensor) -> Tensor:
        padding, dilation = (int(layer.padding[0]), 0), (layer.dilation[0], 1)
        weight = layer.weight.flatten(3)  # (out, in, k, 1)
        y = functional.conv2d(x.flatten(3), weight, layer.bias, (layer.stride[0], 1), padding, dilation, layer.groups)
        return y.unflatten(3, x.shape[3:])  # (B, out, N, h, w)

    return run
