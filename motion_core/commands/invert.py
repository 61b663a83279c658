"""`invert`: a clip to the noise that leads to it, in a file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from torch import Tensor

from ..errors import FileError, OptionError
from ..files.reading import checked_numbers, reading
from ..files.tensor_file import read_tensors, write_tensors
from ..pipeline import invert_clip
from ..progress import sampling_bar
from . import options
from .output import say

EXAMPLE = """example:
  python -m motion_core invert --reference horse.mp4 --out horse_noise.safetensors
  python -m motion_core generate --motion horse.safetensors --noise blend --inverted horse_noise.safetensors ..."""
_ENTRY, _NOUN = "inverted_noise", "file of inverted noise"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write (.safetensors)")
    parser.add_argument(
        "--steps", type=int, default=25, metavar="N", help="as many as generate will take (default: 25)"
    )
    parser.add_argument(
        "--prompt", default="", metavar="TEXT", help="what the reference shows (default: nothing, as published)"
    )
    options.add_reference(parser)
    options.add_size(parser, "the model's")
    options.add_model(parser)


def run(args: argparse.Namespace) -> None:
    options.check_output(args.out, (".safetensors",))
    if not 1 <= args.steps <= 999:
        raise OptionError(f"steps is {args.steps}; choose 1 to 999 (20 to 50 are usual)")
    model = options.load(args)
    frames, width, height = options.usual_size(model)
    clip = options.read_reference(
        args,
        args.reference,
        frames=args.frames or frames,
        width=args.width or width,
        height=args.height or height,
    )
    with sampling_bar(args.steps, "inverting") as progress:
        noise = invert_clip(model, clip, args.steps, args.prompt, progress=progress)
    write_inverted(args.out, noise, args.steps, model.name)
    say(f"wrote {args.out}")


def write_inverted(path: Path, noise: Tensor, steps: int, model: str) -> None:
    """Write noise (1, C, N, h, w), whole or not at all. Raises FileError."""
    about = {_ENTRY: json.dumps({"steps": steps, "model": model}, sort_keys=True)}
    write_tensors(path, {"noise": noise.cpu().contiguous()}, about)


def read_inverted(path: Path, steps: int) -> Tensor:
    """Noise (1, C, N, h, w) for a sampling of that many steps. Raises FileError, OptionError."""
    with reading(path, _NOUN):
        metadata, tensors = read_tensors(path, _NOUN)
        about = json.loads(metadata.get(_ENTRY, "null"))
        noise = checked_numbers(path, tensors).get("noise")
    if noise is None or noise.ndim != 5 or not isinstance(about, dict):
        raise FileError(f"{path} holds no inverted noise; make it with: python -m motion_core invert")
    if about.get("steps") != steps:
        raise OptionError(
            f"{path.name} was inverted in {about.get('steps')} steps and sampling takes {steps}; use the same"
        )
    return noise
