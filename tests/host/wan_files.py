"""Small Wan weights in a host's folders, which its own loaders read."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file


def write_wan(models: Path, transformers: Sequence[str], vae: str) -> None:
    """Writes one transformer of random weights under each name, and an autoencoder."""
    from diffusers import WanTransformer3DModel

    from tools.starter.wan import build
    from tools.starter.wan.export import export_autoencoder, export_transformer

    for folder in ("diffusion_models", "vae"):
        (models / folder).mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small = {**build.TRANSFORMER, "num_attention_heads": 4, "num_layers": 2, "ffn_dim": 64}
        transformer = WanTransformer3DModel(**small)
        torch.nn.init.normal_(transformer.proj_out.weight, std=0.1)
        for name in transformers:
            export_transformer(models / "diffusion_models" / name, transformer, torch.float32)
        export_autoencoder(models / "vae" / vae, build.build_autoencoder(), torch.float32)


def write_text_encoder(models: Path, name: str) -> None:
    """Writes a file that stands for a text encoder in lists. It can't be loaded."""
    (models / "text_encoders").mkdir(parents=True, exist_ok=True)
    save_file({"none": torch.zeros(1)}, models / "text_encoders" / name)
