"""Writes the trained parts in the names of Wan's own checkpoints, as ComfyUI's loaders read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from motion_core.models.wan.names import name_in_autoencoder, name_in_transformer


def export_transformer(path: Path, transformer: Any, dtype: torch.dtype = torch.float16) -> None:
    """Writes a `WanTransformer3DModel`. What shapes do not tell is in the metadata, where the host looks for it."""
    config = transformer.config
    known = {"num_heads": config.num_attention_heads, "text_dim": config.text_dim, "freq_dim": config.freq_dim}
    metadata = {"format": "pt", "config": json.dumps({"transformer": known})}
    save_file(_stored(transformer, name_in_transformer, dtype), path, metadata)


def export_autoencoder(path: Path, vae: Any, dtype: torch.dtype = torch.float16) -> None:
    """Writes an `AutoencoderKLWan`."""
    save_file(_stored(vae, name_in_autoencoder, dtype), path, {"format": "pt"})


def _stored(part: Any, rename: Callable[[str], str], dtype: torch.dtype) -> dict[str, Tensor]:
    weights = part.state_dict().items()
    return {rename(name): tensor.detach().to(dtype).contiguous() for name, tensor in weights}
