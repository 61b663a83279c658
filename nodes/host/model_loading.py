"""A video model of the core as the host's MODEL, CLIP and VAE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.model_patcher
import torch

from ...motion_core.device import fitting_dtype
from ...motion_core.models.loading import is_wan_folder
from ...motion_core.models.zeroscope.loading import load_model, stored_dtype
from .autoencoder import FramesVAE
from .text import as_clip
from .video_model import as_model
from .wan_loading import load_wan_sockets


def load_sockets(folder: Path, dtype: torch.dtype | None) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE of a model's folder, which the host can load again. dtype: None for as stored, which is
    widened on a CPU. Raises ModelError.
    """
    model, clip, vae = load_wan_sockets(folder, dtype) if is_wan_folder(folder) else _load_zeroscope(folder, dtype)
    for number, patcher in enumerate((model, clip.patcher, vae.patcher)):
        patcher.cached_patcher_init = (load_patchers, (folder, dtype), number)
    return model, clip, vae


def _load_zeroscope(folder: Path, dtype: torch.dtype | None) -> tuple[Any, Any, Any]:
    if dtype is None:
        device = comfy.model_management.get_torch_device()
        dtype = fitting_dtype(device, torch.float32 if device.type == "cpu" else stored_dtype(folder))
    loaded = load_model(folder, "cpu", dtype)
    return as_model(loaded), as_clip(loaded), FramesVAE(loaded)


def load_patchers(
    folder: Path, dtype: torch.dtype | None, disable_dynamic: bool = False
) -> list[comfy.model_patcher.ModelPatcher]:
    """What the host calls for a copy of a model: for its trainer, and for another GPU. They are never dynamic."""
    model, clip, vae = load_sockets(folder, dtype)
    return [model, clip.patcher, vae.patcher]
