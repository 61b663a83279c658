"""Lets torch.compile make one kernel of many in a model's layers. Results are the same but for rounding.

Layers are compiled one by one, so that those of one kind share their code, which takes some minutes, once. A layer
that a hook is in runs as it is: compiled code is not traced again for hooks that come or go.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..errors import first_line
from ..memory.checkpointing import wrapped

logger = logging.getLogger(__name__)
BACKEND = "inductor"
"""torch.compile's own."""
KINDS = 64
"""How many shapes a kind of layer may come in: a UNet's resnets have more than torch compiles by itself."""


@dataclass(eq=False)
class Compilation:
    """Whether the compiled layers are used."""

    active: bool = True

    def try_out(self, step: Callable[[], Any]) -> None:
        """Take a step, which compiles; where that does not work, what follows runs as it is."""
        logger.info("compiling: some minutes, once")
        try:
            step()
        except (RuntimeError, ImportError, OSError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            self.active = False
            cause = getattr(error, "inner_exception", error)  # what a backend raised
            logger.warning("torch.compile does not work here (%s); learning goes on without it", first_line(cause))

    def wrap(self, layer: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        fast, parts = torch.compile(forward, backend=BACKEND, dynamic=False), list(layer.modules())

        def run(*args: Any, **kwargs: Any) -> Any:
            hooked = any(part._forward_pre_hooks or part._forward_hooks for part in parts)
            # code for forwards without gradients would be made anew, and they are few
            used = self.active and not hooked and torch.is_grad_enabled()
            return (fast if used else forward)(*args, **kwargs)

        return run


@contextmanager
def compiled(layers: Sequence[nn.Module]) -> Iterator[Compilation]:
    """Within the block the layers' forwards with gradients run as torch.compile makes them, until the compilation is
    no longer active.
    """
    compilation = Compilation()
    with _many_kinds(), wrapped(layers, compilation.wrap):
        yield compilation


def _many_kinds() -> Any:
    config = torch._dynamo.config
    name = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"  # before torch 2.7
    return config.patch({name: KINDS})
