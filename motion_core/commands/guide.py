"""`guide`: a prompt and a reference clip to a new clip, with nothing learnt."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ..guidance.dit_flow import DitFlowConfig
from ..guidance.dmt import DmtConfig
from ..guidance.methods import METHODS, Config, GuidanceMethod, find_method
from ..guidance.motion_clone import MotionCloneConfig
from ..options import list_options
from ..pipeline import guide_by_clip
from ..progress import sampling_bar
from ..starter.folder import STARTERS
from . import generate, options
from .option_arguments import add_option

EXAMPLE = """example:
  python -m motion_core guide --method motion_clone --reference horse.mp4 --prompt "a zebra runs in the snow" \\
      --out zebra.mp4"""
_SETTINGS = (
    "block",
    "memory",
    "weight",
    "distance",
    "optimisation_steps",
    "learning_rate",
    "last_learning_rate",
    "restart_end",
    "depth",
    "temperature",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        required=True,
        choices=tuple(METHODS),
        help="dmt (means of features; slow, follows the layout too), motion_clone (temporal attention; fast) or "
        "dit_flow (for Wan: where attention moves)",
    )
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what the new clip shows")
    parser.add_argument("--reference-prompt", default="", metavar="TEXT", help="what the reference shows, for dmt")
    parser.add_argument("--out", type=Path, required=True, metavar="VIDEO", help="video to write (.mp4, .webm or .gif)")
    options.add_seed(parser)
    options.add_reference(parser)
    options.add_size(parser, "the model's")
    _add_settings(parser)
    options.add_sampling(
        parser, defaults=dict.fromkeys(("noise", "beta", "factor", "steps", "guidance"), "the method's")
    )
    options.add_model(parser)
    parser.set_defaults(inverted=None)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("guidance", "what is not given comes from the method")
    kinds = (DmtConfig, MotionCloneConfig, DitFlowConfig)
    found = {field.name: (field, known) for kind in kinds for field, known in list_options(kind)}
    for name in _SETTINGS:
        add_option(group, *found[name])
    for name, about in (("start", "from"), ("end", "up to")):
        group.add_argument(
            f"--guide-{name}",
            f"--steer-{name}",
            dest=f"guide_{name}",
            type=float,
            metavar="X",
            help=f"{about} this part of sampling",
        )


def run(args: argparse.Namespace) -> None:
    options.check_output(args.out, generate.SUFFIXES)
    method = find_method(args.method, "starter" if args.model in STARTERS else "published")
    settings = choose_settings(args, method)
    model = options.load(args)
    config = options.choose_sampling(args, options.usual_size(model), **method.sampling)
    clip = options.read_reference(args, args.reference, frames=config.frames, width=config.width, height=config.height)
    with sampling_bar(config.steps, "inverting") if isinstance(settings, DmtConfig) else nullcontext() as progress:
        guidance = guide_by_clip(model, clip, args.reference_prompt, settings, steps=config.steps, progress=progress)
    generate.sample(args, model, config, fps=clip.fps, guidance=guidance)


def choose_settings(args: argparse.Namespace, method: GuidanceMethod) -> Config:
    """Returns the method's settings, changed by the options. Raises OptionError for an option of another method."""
    given: dict[str, Any] = {name: getattr(args, name) for name in _SETTINGS}
    return method.configure(seed=args.seed, start=args.guide_start, end=args.guide_end, **given)
