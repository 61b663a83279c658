"""Ordinary tensors in place of inference tensors, which no backward can pass. The host runs nodes in inference mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .static_weights import check_static_weights

Conditioning = list[dict[str, Any]]
"""A CONDITIONING as the host prepares it for a sampling: its entries."""


@contextmanager
def ordinary_tensors(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Within the block, the weights and buffers of a module are equal ordinary tensors.

    They are cloned one at a time, for memory. On a GPU they stay so, since two copies may not fit. On a CPU the first
    tensors come back: a copy lies elsewhere in memory, and kernels that check alignment would round differently later.
    Raises ModelError where the host keeps weights elsewhere than on `device`, on which the model runs.
    """
    check_static_weights(module, device)
    replaced: list[tuple[dict[str, Any], str, Tensor]] = []
    try:
        with torch.inference_mode(False):
            for part in module.modules():
                for tensors in (part._parameters, part._buffers):
                    for name, tensor in tensors.items():
                        if tensor is not None and tensor.is_inference():
                            if tensor.device.type == "cpu":
                                replaced.append((tensors, name, tensor))
                            tensors[name] = _clone(tensor)
        yield
    finally:
        for tensors, name, tensor in replaced:
            tensors[name] = tensor


def make_ordinary(conditions: Iterable[Conditioning]) -> None:
    """Clones the tensors of conditionings in place."""
    with torch.inference_mode(False):
        for entry in (entry for condition in conditions for entry in condition):
            for kept in entry.get("model_conds", {}).values():
                if isinstance(getattr(kept, "cond", None), Tensor):
                    kept.cond = kept.cond.clone()


def _clone(tensor: Tensor) -> Tensor:
    copy = tensor.detach().clone()
    return nn.Parameter(copy, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copy
