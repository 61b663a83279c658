"""`steer`: a prompt and a reference clip to a new clip, with nothing learnt."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ..guidance.dmt import DISTANCES, DmtConfig
from ..guidance.methods import METHODS, Config, Method, find_method
from ..memory.checkpointing import MEMORY_MODES
from ..pipeline import steer_by
from . import generate, options
from .progress import sampling_bar

EXAMPLE = """example:
  python -m motion_core steer --method motion_clone --reference horse.mp4 --prompt "a zebra runs in the snow" \\
      --out zebra.mp4"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        required=True,
        choices=tuple(METHODS),
        help="dmt (means of features; slow, follows the layout too) or motion_clone (temporal attention; fast)",
    )
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what the new clip shows")
    parser.add_argument("--reference-prompt", default="", metavar="TEXT", help="what the reference shows, for dmt")
    parser.add_argument("--out", type=Path, required=True, metavar="VIDEO", help="video to write (.mp4, .webm or .gif)")
    options.add_seed(parser)
    options.add_reference(parser)
    options.add_size(parser, "the model's")
    _add_settings(parser)
    options.add_sampling(parser, whence="the method's")
    options.add_model(parser)
    parser.set_defaults(inverted=None)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("steering", "what is not given comes from the method")
    group.add_argument("--block", metavar="NAME", help="block of the model that is looked at, such as up_blocks.1")
    group.add_argument("--steer-start", dest="steer_start", type=float, metavar="X", help="from this part of sampling")
    group.add_argument("--steer-end", dest="steer_end", type=float, metavar="X", help="up to this part of sampling")
    group.add_argument("--memory", choices=MEMORY_MODES, help="less memory, more time")
    group.add_argument("--weight", type=float, metavar="X", help="motion_clone: how strongly (0: not at all)")
    group.add_argument("--distance", choices=DISTANCES, help="dmt: the paper's l2, or the published code's cosine")
    group.add_argument("--optimisation-steps", type=int, metavar="N", help="dmt: at each sampling step")
    group.add_argument("--learning-rate", type=float, metavar="X", help="dmt: at the first steered step")
    group.add_argument("--last-learning-rate", type=float, metavar="X", help="dmt: at the last steered step")
    group.add_argument("--restart-end", type=float, metavar="X", help="dmt: fresh noise up to this part of sampling")


def run(args: argparse.Namespace) -> None:
    options.check_output(args.out, generate.SUFFIXES)
    method = find_method(args.method, "published" if args.model else "starter")
    settings = configure(args, method)
    for name, usual in method.sampling.items():
        dest = "sampling_steps" if name == "steps" else name
        if getattr(args, dest) is None:
            setattr(args, dest, usual)
    model = options.load(args)
    config = options.generate_config(args, *options.usual_size(model))
    clip = options.read_reference(args, args.reference, config.frames, config.width, config.height)
    with sampling_bar(config.steps, "inverting") if isinstance(settings, DmtConfig) else nullcontext() as progress:
        steering = steer_by(model, clip, args.reference_prompt, settings, config.steps, progress)
    generate.sample(args, model, config, clip.fps, steering=steering)


def configure(args: argparse.Namespace, method: Method) -> Config:
    """The method's settings with what is given put in their place. Raises OptionError for another method's."""
    names = ("block", "memory", "weight", "distance", "optimisation_steps", "learning_rate", "last_learning_rate")
    given: dict[str, Any] = {name: getattr(args, name) for name in (*names, "restart_end")}
    return method.configure(seed=args.seed, start=args.steer_start, end=args.steer_end, **given)
