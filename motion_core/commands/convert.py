"""`convert`: the official file to ours, and back."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import OptionError
from ..formats.motion_inversion import read_official, write_official
from ..motions.embedding import MotionEmbedding
from .output import say

EXAMPLE = """examples:
  python -m motion_core convert motion_embed.pt horse.safetensors --width 576 --height 320
  python -m motion_core convert horse.safetensors motion_embed.pt

The official file keeps neither the size of its reference nor its length: give the size; the length is read off
the rows that were trained, or given with --frames."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="IN", help="file to read (.pt or .safetensors)")
    parser.add_argument("target", type=Path, metavar="OUT", help="file to write (.safetensors or .pt)")
    parser.add_argument("--width", type=int, default=0, metavar="W", help="of the video an official file was learnt on")
    parser.add_argument(
        "--height", type=int, default=0, metavar="H", help="of the video an official file was learnt on"
    )
    parser.add_argument("--frames", type=int, default=0, metavar="N", help="trained length of an official file")


def run(args: argparse.Namespace) -> None:
    kinds = (args.source.suffix.lower(), args.target.suffix.lower())
    if kinds == (".pt", ".safetensors"):
        read_official(args.source, args.width, args.height, args.frames).save(args.target)
    elif kinds == (".safetensors", ".pt"):
        write_official(MotionEmbedding.load(args.source), args.target)
    else:
        raise OptionError(
            f"{args.source.name} to {args.target.name} is no conversion; give one .pt and one .safetensors"
        )
    say(f"wrote {args.target}")
