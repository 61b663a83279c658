"""`transfer`: learn and generate in one."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..motions.apply_settings import AdapterSettings, EmbeddingSettings
from ..recipes.recipe import EMBEDDING
from . import generate, options, training_options
from .learn import learn

EXAMPLE = """example:
  python -m motion_core transfer --reference horse.mp4 --reference-prompt "a horse runs in a field" \\
      --prompt "a zebra runs in the snow" --out zebra.mp4"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reference-prompt", required=True, metavar="TEXT", help="what the reference shows")
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what the new clip shows")
    parser.add_argument("--out", type=Path, required=True, metavar="VIDEO", help="video to write (.mp4, .webm or .gif)")
    parser.add_argument("--save-motion", type=Path, metavar="FILE", help="also keep the motion (.safetensors)")
    options.add_seed(parser)
    options.add_reference(parser)
    options.add_size(parser, "the model's")
    training_options.add_training(parser)
    options.add_applying(parser)
    options.add_sampling(parser, flags={"steps": "sampling-steps"})
    options.add_model(parser)
    parser.set_defaults(inverted=None, preview=False)


def run(args: argparse.Namespace) -> None:
    options.check_output(args.out, generate.SUFFIXES)
    if args.save_motion:
        options.check_output(args.save_motion, (".safetensors",))
    recipe = training_options.choose_recipe(args)
    settings = EmbeddingSettings if recipe.kind == EMBEDDING else AdapterSettings
    options.check_applying(args, [settings], recipe.apply)
    model = options.load(args)
    options.choose_sampling(args, options.usual_size(model))  # refuses bad values before training
    motion = learn(args, model, recipe, args.reference_prompt)
    if args.save_motion:
        motion.save(args.save_motion)
    generate.write(args, model, [motion])
