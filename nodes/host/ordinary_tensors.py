"""Makes ordinary tensors of inference tensors, which no backward can pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .conditioning import Conditioning
from .static_weights import check_static_weights


@contextmanager
def ordinary_weights(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Within the block, the inference tensors of a model are equal ordinary ones.

    They are replaced one at a time, for memory. On a GPU they stay, since two copies may not fit. On a CPU the
    originals come back: a copy lies elsewhere in memory, and kernels that depend on alignment would round differently
    from then on. Raises ModelError where the host keeps weights elsewhere than on `device`, on which the model runs.
    """
    check_static_weights(module, device)
    kept: list[tuple[dict[str, Any], str, Tensor]] = []
    try:
        with torch.inference_mode(False):
            for part in module.modules():
                owned: tuple[dict[str, Any], ...] = (part._parameters, part._buffers)
                for tensors in owned:
                    for name, tensor in tensors.items():
                        if tensor is not None and tensor.is_inference():
                            if tensor.device.type == "cpu":
                                kept.append((tensors, name, tensor))
                            tensors[name] = _copy(tensor)
        yield
    finally:
        for tensors, name, tensor in kept:
            tensors[name] = tensor


def make_ordinary(conditionings: Iterable[Conditioning]) -> None:
    """Replaces the tensors of prepared conditionings by ordinary ones."""
    with torch.inference_mode(False):
        for entry in (entry for conditioning in conditionings for entry in conditioning):
            for kept in entry.get("model_conds", {}).values():
                if isinstance(getattr(kept, "cond", None), Tensor):
                    kept.cond = kept.cond.clone()


def _copy(tensor: Tensor) -> Tensor:
    copy = tensor.detach().clone()
    return nn.Parameter(copy, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copy
