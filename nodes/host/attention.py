"""Attention that a backward can pass, whatever the host or a node has put in its place."""

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
"""The host's own way to put another function in the place of its attention."""


@dataclass(eq=False)
class DifferentiableAttention:
    """Attention as it is, until its output has no gradient where its input has one (SageAttention has no backward);
    from then on, where a gradient is wanted, torch's scaled_dot_product_attention. theirs: what a node has put there.
    """

    theirs: Callable[..., Tensor] | None = None
    lacks_backward: bool = False

    def __call__(self, own: Callable[..., Tensor], *args: Any, **more: Any) -> Tensor:
        wanted = torch.is_grad_enabled() and any(isinstance(arg, Tensor) and arg.requires_grad for arg in args)
        if not (wanted and self.lacks_backward):
            attended = self.theirs(own, *args, **more) if self.theirs else own(*args, **more)
            if attended.requires_grad or not wanted:
                return attended
            logger.info("The attention in use has no backward; torch's own takes its place where one is needed.")
            self.lacks_backward = True
        return attention_pytorch(*args, **more)


def with_backward(model_options: dict[str, Any]) -> dict[str, Any]:
    """The options with which attention is one that a backward can pass."""
    options = model_options.get("transformer_options", {})
    override = DifferentiableAttention(options.get(_OVERRIDE))
    return {**model_options, "transformer_options": {**options, _OVERRIDE: override}}
