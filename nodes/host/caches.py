"""Caches that a user has put on a MODEL, which hand out outputs of earlier steps instead of running it."""

from __future__ import annotations

import logging
from typing import Any

from comfy.patcher_extension import WrappersMP

logger = logging.getLogger(__name__)
_KEYS = ("easycache", "lazycache")
"""Names under which the host's EasyCache and LazyCache wrap a MODEL."""
_WRAPPED = (
    WrappersMP.OUTER_SAMPLE,
    WrappersMP.PREDICT_NOISE,
    WrappersMP.CALC_COND_BATCH,
    WrappersMP.DIFFUSION_MODEL,
)


def without_caches(model: Any) -> Any:
    """Returns MODEL, or a clone of it that runs at every step where it has a cache."""
    cached = [key for key in _KEYS if any(model.get_wrappers(kind, key) for kind in _WRAPPED)]
    if not cached:
        return model
    logger.info("The model's cache (%s) is off while a motion is learnt or a clip is inverted.", ", ".join(cached))
    clone = model.clone()
    for key in cached:
        for kind in _WRAPPED:
            clone.remove_wrappers_with_key(kind, key)
    return clone
