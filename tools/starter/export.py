"""Writes the trained parts as a diffusers folder in half precision, with the record of the training beside them."""

import json
from pathlib import Path
from typing import Any

import torch

from tools.starter import build


def export(folder: Path, vae: Any, unet: Any, text_encoder: Any, record: dict) -> None:
    """Write `unet/ vae/ text_encoder/ tokenizer/ scheduler/`, `model_index.json` and `training.json`."""
    vae.register_to_config(scaling_factor=1.0)
    for name, part in (("vae", vae), ("unet", unet), ("text_encoder", text_encoder)):
        part.to(torch.float16).save_pretrained(folder / name, safe_serialization=True)
    _save_tokenizer(folder / "tokenizer")
    build.build_scheduler().save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "TextToVideoSDPipeline",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet3DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8", newline="\n")
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8", newline="\n")


def _save_tokenizer(folder: Path) -> None:
    """Both layouts: `tokenizer.json` for transformers 5, vocabulary and merges for those before."""
    tokenizer = build.build_tokenizer()
    tokenizer.save_pretrained(folder)
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    (folder / "vocab.json").write_text(
        json.dumps(model["vocab"], ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
    )
    lines = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines) + "\n", encoding="utf-8", newline="\n")
