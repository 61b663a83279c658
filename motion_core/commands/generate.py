"""`generate`: a prompt and a motion file to a new clip."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from ..errors import OptionError
from ..guidance.dmt import Dmt
from ..guidance.methods import PreparedGuidance
from ..hooks.applied import AppliedMotion
from ..models.video_model import VideoModel
from ..motions.motion import Motion, read_motion
from ..pipeline import GenerateConfig, generate_clip, invert_clip
from ..progress import sampling_bar
from ..video.writing import write_clip
from . import options
from .invert import read_inverted
from .output import say

EXAMPLE = """example:
  python -m motion_core generate --motion horse.safetensors --prompt "a zebra runs in the snow" --out zebra.mp4

--motion may be given several times: the motions add up."""
SUFFIXES = (".mp4", ".webm", ".gif")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--motion", type=Path, action="append", required=True, metavar="FILE", help="motion file from learn"
    )
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what the new clip shows")
    parser.add_argument("--out", type=Path, required=True, metavar="VIDEO", help="video to write (.mp4, .webm or .gif)")
    options.add_seed(parser)
    options.add_applying(parser)
    options.add_sampling(parser)
    options.add_size(parser, "the motion's")
    options.add_reference(parser, required=False)
    parser.add_argument(
        "--inverted", type=Path, metavar="FILE", help="inverted noise from invert, instead of --reference"
    )
    options.add_model(parser)


def run(args: argparse.Namespace) -> None:
    options.check_output(args.out, SUFFIXES)
    motions = [read_motion(path) for path in args.motion]
    write(args, options.load(args), motions)


def write(args: argparse.Namespace, model: VideoModel, motions: list[Motion]) -> None:
    """Samples with the motions, at the size of the first, and writes the clip."""
    first = motions[0]
    recipe = first.origin.recipe if args.reference or args.inverted else {}
    suggested = {name: recipe[name] for name in ("noise", "beta") if name in recipe}
    config = options.choose_sampling(args, options.size_of(first, model), **suggested)
    applied = options.apply_motions(args, motions)
    sample(args, model, config, fps=first.origin.fps or 8.0, motions=applied)


def sample(
    args: argparse.Namespace,
    model: VideoModel,
    config: GenerateConfig,
    *,
    fps: float,
    motions: Sequence[AppliedMotion] = (),
    guidance: PreparedGuidance | None = None,
) -> None:
    """Samples behind a progress bar and writes the clip. fps: its frames a second."""
    inverted = guidance.inverted if isinstance(guidance, Dmt) else find_inverted(args, model, config)
    with sampling_bar(config.steps, "generating") as progress:
        clip = generate_clip(
            model, args.prompt, config, motions, inverted=inverted, progress=progress, guidance=guidance
        )
    write_clip(args.out, clip, fps)
    say(f"wrote {args.out} ({len(clip)} frames, {config.width}x{config.height})")


def find_inverted(args: argparse.Namespace, model: VideoModel, config: GenerateConfig) -> Tensor | None:
    """Returns the inverted noise where the noise method needs it: from a file, or made of the reference."""
    if config.noise == "random":
        return None
    if args.inverted:
        return read_inverted(args.inverted, config.steps)
    if not args.reference:
        raise OptionError(
            f"noise is {config.noise!r}, which starts from a clip; give --reference CLIP or --inverted FILE"
        )
    clip = options.read_reference(args, args.reference, frames=config.frames, width=config.width, height=config.height)
    with sampling_bar(config.steps, "inverting") as progress:
        return invert_clip(model, clip, config.steps, progress=progress)
