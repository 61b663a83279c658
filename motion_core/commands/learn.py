"""`learn`: a clip to a motion file."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..metrics.clip_features import load_clip
from ..metrics.clip_scores import text_similarity
from ..models.zeroscope.loading import VideoModel
from ..motions.adapter import Adapter
from ..motions.motion import Motion
from ..pipeline import Captioned, GenerateConfig, Shown, generate_clip, learn_adapter, learn_motion
from ..recipes.captions import without_token
from ..recipes.learn_config import LearnConfig
from ..recipes.recipe import Recipe
from ..sampling.sample import AdaptConfig, AppliedAdapter
from ..training.early_stop import AppearanceStop
from . import learning_options, options
from .output import say
from .progress import learning_bar

EXAMPLE = """examples:
  python -m motion_core learn --reference horse.mp4 --prompt "a horse runs in a field" --out horse.safetensors
  python -m motion_core learn --recipe vmc --reference horse.mp4 --prompt "a horse is running" --out horse.safetensors

The prompt describes the looks of the reference, so that they need not be learnt with the motion. With --recipe, leave
out place and style instead: `python -m motion_core strip "a caption"` suggests what is left."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what the reference shows")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="motion file to write (.safetensors)")
    options.add_seed(parser)
    options.add_reference(parser)
    options.add_size(parser, "the model's")
    learning_options.add_learning(parser)
    options.add_model(parser)


def run(args: argparse.Namespace) -> None:
    options.check_output(args.out, (".safetensors",))
    how = learning_options.learning(args, args.seed)
    motion = learn(args, options.load(args), how, args.prompt)
    motion.save(args.out)
    say(f"wrote {args.out} ({args.out.stat().st_size / 2**20:.1f} MiB)")


def learn(args: argparse.Namespace, model: VideoModel, how: LearnConfig | Recipe, prompt: str) -> Motion:
    """Read the reference as the options say and learn its motion behind a progress bar."""
    frames, width, height = options.usual_size(model)
    size = (args.frames or frames, args.width or width, args.height or height)
    clip = options.read_reference(args, args.reference, *size)
    if isinstance(how, LearnConfig):
        mask = options.read_reference(args, args.mask, *size) if args.mask else None
        with learning_bar(how.steps) as callback:
            return learn_motion(model, clip, prompt, how, callback, mask, callback.validated).embedding
    shown = read_shown(args, Captioned(clip, prompt), *size)
    stop = watch(args, model, how, *size)
    with learning_bar(how.descent.steps) as callback:
        adapter = learn_adapter(model, shown, how, args.seed, callback, stop).adapter
    if stop:
        said = ", ".join(f"{score:.3f} at step {step}" for step, score in stop.scores.items())
        say(f"text similarity {said}; kept step {stop.kept_step}")
    return adapter


def read_shown(args: argparse.Namespace, first: Captioned, frames: int, width: int, height: int) -> Shown:
    """The reference with everything else that the options show a recipe. Raises MotionError."""
    size = (frames, width, height)
    clips = [first]
    for path in args.also or ():
        clips.append(
            Captioned(options.read_reference(args, path, *size), learning_options.read_caption(path, first.caption))
        )
    others = learning_options.read_folder(args, args.regularisation, *size) if args.regularisation else ()
    subjects = [learning_options.read_subject(args, path, said, width, height) for path, said in args.subject or ()]
    return Shown(clips, others, subjects, learning_options.augmentation(args))


def watch(
    args: argparse.Namespace, model: VideoModel, recipe: Recipe, frames: int, width: int, height: int
) -> AppearanceStop | None:
    """What looks at previews of the prompt while a recipe learns, where a CLIP is given. Raises MotionError."""
    config = learning_options.stop_config(args)
    if config is None:
        return None
    clip, sampling = load_clip(args.clip, args.device), GenerateConfig(frames, width, height, seed=args.seed)
    wanted = clip.encode_text(without_token(args.preview_prompt))

    def score(adapter: Adapter) -> float:
        motion = AppliedAdapter(adapter, AdaptConfig(**recipe.apply))
        made = generate_clip(model, args.preview_prompt, sampling, [motion])
        return text_similarity(clip.encode_frames(made), wanted).item()

    return AppearanceStop(config, score)
