"""Trains the Wan-shaped starter model from nothing: `python -m tools.starter.wan.train --work DIR`.

Stages, each resumed where it stopped: the autoencoder, the latents of a fixed set of clips (encoded once), the
transformer, and the decoder once more.
"""

import argparse
from pathlib import Path

import torch

from tools.starter.wan.autoencoder import encode_clips, polish_decoder, train_autoencoder
from tools.starter.wan.transformer import Clips, train_transformer

CLIPS = 3000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.starter.wan.train", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints; resumed if it has some")
    args = parser.parse_args()
    torch.manual_seed(0)
    vae, _ = train_autoencoder(args.work)
    latents, images = encode_clips(vae, args.work, CLIPS)
    train_transformer(Clips(latents, images), args.work)
    polish_decoder(vae, args.work)


if __name__ == "__main__":
    main()
