"""`learn`: a clip to a motion file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..hooks.applied import AppliedMotion
from ..metrics.clip_features import load_clip
from ..metrics.clip_scores import text_similarity
from ..models.video_model import VideoModel
from ..motions.motion import Motion, with_preview
from ..pipeline import GenerateConfig, generate_clip, train_motion
from ..progress import training_bar
from ..recipes.customizing_motion import without_token
from ..recipes.recipe import Recipe
from ..training.early_stop import AppearanceStop
from . import options, training_options
from .output import say

EXAMPLE = """examples:
  python -m motion_core learn --reference horse.mp4 --prompt "a horse runs in a field" --out horse.safetensors
  python -m motion_core learn --recipe vmc --reference horse.mp4 --prompt "a horse is running" --out horse.safetensors

The prompt describes what the reference looks like, so that its appearance need not be learnt with the motion. With a
recipe other than motion_inversion, leave out place and style instead."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what the reference shows")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="motion file to write (.safetensors)")
    parser.add_argument(
        "--preview", action="store_true", help="also keep a small looping preview of the reference in the file"
    )
    options.add_seed(parser)
    options.add_reference(parser)
    options.add_size(parser, "the model's")
    training_options.add_training(parser)
    options.add_model(parser)


def run(args: argparse.Namespace) -> None:
    options.check_output(args.out, (".safetensors",))
    recipe = training_options.choose_recipe(args)
    motion = learn(args, options.load(args), recipe, args.prompt)
    motion.save(args.out)
    say(f"wrote {args.out} ({args.out.stat().st_size / 2**20:.1f} MiB)")


def learn(args: argparse.Namespace, model: VideoModel, recipe: Recipe, prompt: str) -> Motion:
    """Reads the references that the options name and trains a motion behind a progress bar."""
    frames, width, height = options.usual_size(model)
    size: dict[str, Any] = {
        "frames": args.frames or frames,
        "width": args.width or width,
        "height": args.height or height,
    }
    references = training_options.read_references(args, prompt, **size)
    stop = make_stop(args, model, recipe, GenerateConfig(**size, seed=args.seed))
    with training_bar(recipe.steps) as callback:
        motion = train_motion(model, references, recipe, seed=args.seed, callback=callback, observer=stop).motion
    if stop:
        scores = ", ".join(f"{score:.3f} at step {step}" for step, score in stop.scores.items())
        say(f"text similarity {scores}; kept step {stop.kept_step}")
    return with_preview(motion, references.clips[0].clip.frames) if args.preview else motion


def make_stop(
    args: argparse.Namespace, model: VideoModel, recipe: Recipe, sampling: GenerateConfig
) -> AppearanceStop | None:
    """Makes the early stop that the options ask for, None where they ask for none. Raises MotionError."""
    settings = training_options.choose_stop(args)
    if settings is None:
        return None
    clip = load_clip(args.clip, args.device)
    target = clip.encode_text(without_token(args.preview_prompt))

    def score(motion: Motion) -> float:
        applied = AppliedMotion.of(motion, **recipe.apply)
        preview = generate_clip(model, args.preview_prompt, sampling, [applied])
        return text_similarity(clip.encode_frames(preview), target).item()

    return AppearanceStop(settings, score)
