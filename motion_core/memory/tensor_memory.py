"""Counts the bytes of tensors that are alive, on any device, from what operators return."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Allocations(TorchDispatchMode):
    """Within the block, `now` is the bytes of the tensors that came into being in it and are still there; `peak` the
    most that they were. What kernels need for themselves is not in it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor):
                self._meet(leaf.untyped_storage(), made_here=False)
        output = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(output):
            if isinstance(leaf, Tensor):
                self._meet(leaf.untyped_storage(), made_here=True)
        return output

    def _meet(self, storage: torch.UntypedStorage, made_here: bool) -> None:
        key = storage._cdata
        if key in self.known:
            return
        size = storage.nbytes() if made_here else 0
        self.known[key] = weakref.finalize(storage, self._forget, key, size)
        self.now += size
        self.peak = max(self.peak, self.now)

    def _forget(self, key: int, size: int) -> None:
        self.known.pop(key, None)
        self.now -= size
