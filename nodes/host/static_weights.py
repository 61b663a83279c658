"""A MODEL whose weights stay where they are from a forward to its backward.

With dynamic VRAM (the default on NVIDIA since 2026) the host brings a layer's weights over when the layer runs, lets
those of the next layer take their place, and keeps others as inference tensors. No gradient survives either. The
host's own way out, for hooks, torch.compile and its trainer, is a copy of the model that is loaded in the usual way.
"""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from ...motion_core.errors import ModelError, first_line

logger = logging.getLogger(__name__)

_copies: WeakKeyDictionary[nn.Module, Any] = WeakKeyDictionary()
"""Model -> what makes a patcher of its copy. All patchers of a model share it, and it is freed with the model."""


def moves_its_weights(model: Any) -> bool:
    """Whether the host moves weights of MODEL while it runs. Older hosts do not."""
    is_dynamic = getattr(model, "is_dynamic", None)
    return bool(is_dynamic and is_dynamic())


def with_static_weights(model: Any) -> Any:
    """Returns MODEL, or, where the host moves its weights, a clone of it over a copy that is loaded whole.

    The clone has the patches, wrappers and options of MODEL. The copy takes as much memory as the model. It is loaded
    once. Raises ModelError where the loader of MODEL does not let the host load it again.
    """
    if not moves_its_weights(model):
        return model
    kept = _copies.get(model.model)
    if kept is None:
        logger.info("The host moves this model's weights while it runs; gradients need a copy, which is loaded once.")
    try:
        with torch.inference_mode(False):
            clone = model.clone(disable_dynamic=True, model_override=kept)
    except Exception as reason:  # a loader may raise anything for a file that was changed or removed
        raise ModelError(
            f"a copy of this model is needed for gradients, and its loader makes none ({first_line(reason)}); "
            "load it by one of ComfyUI's own loaders, or start ComfyUI with --disable-dynamic-vram"
        ) from reason
    _copies[model.model] = clone.get_clone_model_override()
    return clone


def check_static_weights(module: nn.Module, device: torch.device) -> None:
    """Raises ModelError where the host keeps weights elsewhere than on `device` and brings them over for each use."""
    for name, layer in module.named_modules():
        weight = getattr(layer, "weight", None)
        if hasattr(layer, "comfy_cast_weights") and weight is not None and weight.device != device:
            raise ModelError(
                f"the host keeps {name} on {weight.device} and gradients need all weights on {device}; "
                "start ComfyUI without --novram, or use a smaller model"
            )
