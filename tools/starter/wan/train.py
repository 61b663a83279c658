"""Trains the Wan-shaped starter model from nothing: `python -m tools.starter.wan.train --work DIR`.

Stages, each resumed where it stopped: the autoencoder, the latents of a fixed set of clips (encoded once), the
transformer, and the decoder once more. `--export DIR` then writes the weights in the names of Wan's checkpoints.
"""

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import torch

from tools.starter.trainer import Trainer
from tools.starter.wan import build
from tools.starter.wan.autoencoder import encode_clips, polish_decoder, train_autoencoder
from tools.starter.wan.export import export_autoencoder, export_transformer
from tools.starter.wan.transformer import STAGES, Clips, train_transformer

CLIPS, IMAGES = 3000, 1000
"""In the training set, and how many of them have their first frame encoded too."""
TEXT = "../model"
"""Where the text part lies beside the exported folder: it is the other starter model's."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.starter.wan.train", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints; resumed if it has some")
    parser.add_argument("--export", type=Path, help="write the finished weights into this folder")
    args = parser.parse_args()
    torch.manual_seed(0)
    vae, coders = train_autoencoder(args.work)
    latents, images = encode_clips(vae, args.work, CLIPS, IMAGES)
    transformer, stages = train_transformer(Clips(latents, images), args.work)
    trainers = coders | stages | {"decoder": polish_decoder(vae, args.work)}
    if args.export:
        export(args.export, vae, transformer, trainers)


def export(folder: Path, vae: Any, transformer: Any, trainers: dict[str, Trainer]) -> None:
    """Writes the weights and the record of their training."""
    folder.mkdir(parents=True, exist_ok=True)
    export_transformer(folder / "transformer.safetensors", transformer)
    export_autoencoder(folder / "vae.safetensors", vae)
    record = {name: trainer.record() for name, trainer in trainers.items()} | {
        "stages": [stage.record() for stage in STAGES],
        "clips": CLIPS,
        "images": IMAGES,
        "frames": build.FRAMES,
        "size": 64,
        "text": TEXT,
        "hardware": f"{platform.machine()} CPU, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
    }
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
