"""Loads a MODEL whole."""

from __future__ import annotations

from typing import Any

import comfy.model_management

ALL_MEMORY = 1e20
"""More than there is, so that the host unloads all other models. Its own training asks for as much."""


def load_whole(model: Any) -> None:
    """Loads all of MODEL, and unloads everything else to make room for a backward."""
    comfy.model_management.load_models_gpu([model], memory_required=ALL_MEMORY, force_full_load=True)
