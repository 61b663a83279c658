"""A video model of the core as the host's MODEL, CLIP and VAE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.model_patcher
import torch

from ...motion_core.models.zeroscope.loading import load_model
from .autoencoder import FramesVAE
from .text import as_clip
from .video_model import as_model


def load_sockets(folder: Path, dtype: torch.dtype) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE of a diffusers folder, which the host can load again. Raises ModelError."""
    loaded = load_model(folder, "cpu", dtype)
    model, clip, vae = as_model(loaded), as_clip(loaded), FramesVAE(loaded)
    for number, patcher in enumerate((model, clip.patcher, vae.patcher)):
        patcher.cached_patcher_init = (load_patchers, (folder, dtype), number)
    return model, clip, vae


def load_patchers(
    folder: Path, dtype: torch.dtype, disable_dynamic: bool = False
) -> list[comfy.model_patcher.ModelPatcher]:
    """What the host calls for a copy of a model: for its trainer, and for another GPU. They are never dynamic."""
    model, clip, vae = load_sockets(folder, dtype)
    return [model, clip.patcher, vae.patcher]
