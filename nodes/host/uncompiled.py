"""Runs a model that a user has compiled (the host's TorchCompileModel) without its compiled code while a motion is
applied. Compiled code is not traced again for new hooks, and the motion would be lost silently.
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
"""The entry of a MODEL's options that says that it is compiled."""


@contextmanager
def uncompiled(model_options: dict[str, Any]) -> Iterator[None]:
    """Within the block no compiled code runs. Raises ModelError where torch is too old for that."""
    compiled, set_stance = _COMPILED in model_options, getattr(torch.compiler, "set_stance", None)
    if set_stance is None:
        if compiled:
            raise ModelError(
                f"the model is compiled, and torch {torch.__version__} can't apply a motion to it; "
                "leave out the node that compiles it, or update torch to 2.6"
            )
        yield
        return
    if compiled:
        logger.info("The model runs without torch.compile while a motion is applied.")
    with set_stance("force_eager"):
        yield
