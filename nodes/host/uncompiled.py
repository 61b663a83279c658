"""What a user has compiled (the host's TorchCompileModel) runs as it is written while a motion is at work: compiled
code is not traced again for hooks that have come since, and the motion would be lost without a word.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ...motion_core.errors import ModelError

logger = logging.getLogger(__name__)
_COMPILED = "torch_compile_kwargs"
"""Under what the host notes in a MODEL's options that it is compiled."""


@contextmanager
def uncompiled(model_options: dict[str, Any]) -> Iterator[None]:
    """Within the block nothing runs as it was compiled. Raises ModelError where torch cannot see to that."""
    compiled, set_stance = _COMPILED in model_options, getattr(torch.compiler, "set_stance", None)
    if set_stance is None:
        if compiled:
            raise ModelError(
                f"the model is compiled, and torch {torch.__version__} would not let it feel a motion; "
                "leave out the node that compiles it, or update torch to 2.6"
            )
        yield
        return
    if compiled:
        logger.info("The model's torch.compile waits while a motion is at work.")
    with set_stance("force_eager"):
        yield
