"""The Wan-shaped starter model, read by the host's own loaders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.sd
import comfy.utils
import torch

from ...motion_core.errors import ModelError
from ...motion_core.models.wan.loading import AUTOENCODER, TRANSFORMER, load_text_part, read_record
from .text import as_clip


def load_wan_sockets(folder: Path, dtype: torch.dtype | None) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE. dtype: of the transformer, None for the host's choice. Raises ModelError."""
    try:
        model = comfy.sd.load_diffusion_model(str(folder / TRANSFORMER), {} if dtype is None else {"dtype": dtype})
    except RuntimeError as reason:  # the width of the text is in the file's metadata
        raise ModelError(
            f"this ComfyUI can't read the Wan starter ({str(reason).splitlines()[0][:100]}); update ComfyUI, or use "
            "the other starter"
        ) from reason
    weights, metadata = comfy.utils.load_torch_file(str(folder / AUTOENCODER), return_metadata=True)
    vae = comfy.sd.VAE(sd=weights, metadata=metadata)
    vae.throw_exception_if_invalid()
    return model, as_clip(load_text_part(folder, read_record(folder))), vae
