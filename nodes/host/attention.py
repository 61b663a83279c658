"""Attention with a backward, whatever attention the host or a node has chosen."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from comfy.ldm.modules.attention import attention_pytorch
from torch import Tensor

logger = logging.getLogger(__name__)
_OVERRIDE = "optimized_attention_override"
"""The host's own option for another attention function."""


@dataclass(eq=False)
class DifferentiableAttention:
    """Attention as chosen, until its output has no gradient where its input has one (SageAttention has no backward).
    From then on torch's scaled_dot_product_attention is used where a gradient is needed.
    theirs: what a node has chosen.
    """

    theirs: Callable[..., Tensor] | None = None
    lacks_backward: bool = False

    def __call__(self, own: Callable[..., Tensor], *args: Any, **more: Any) -> Tensor:
        needed = torch.is_grad_enabled() and any(isinstance(arg, Tensor) and arg.requires_grad for arg in args)
        if not (needed and self.lacks_backward):
            attended = self.theirs(own, *args, **more) if self.theirs else own(*args, **more)
            if attended.requires_grad or not needed:
                return attended
            logger.info("The attention in use has no backward. Torch's own is used where one is needed.")
            self.lacks_backward = True
        return attention_pytorch(*args, **more)


def with_backward(model_options: dict[str, Any]) -> dict[str, Any]:
    """Returns options under which attention has a backward."""
    options = model_options.get("transformer_options", {})
    override = DifferentiableAttention(options.get(_OVERRIDE))
    return {**model_options, "transformer_options": {**options, _OVERRIDE: override}}
