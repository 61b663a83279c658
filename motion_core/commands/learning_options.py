"""Options of learning, and what they become."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..diffusion.objectives import OBJECTIVES
from ..diffusion.timesteps import TimestepSampler, parse_timesteps
from ..errors import OptionError, VideoError
from ..models.layers import LAYER_CHOICES
from ..pipeline import Captioned
from ..recipes.catalogue import RECIPES, find_recipe
from ..recipes.learn_config import LearnConfig
from ..recipes.presets import PRESETS
from ..recipes.recipe import KINDS, Recipe
from ..training.early_stop import StopConfig
from ..training.pool import AUTO as POOL_AUTO
from ..video.frames.options import ClipOptions
from ..video.pictures.augmentation import AUGMENTATIONS, AugmentConfig
from ..video.reading import Clip, read_clip, read_still
from ..video.stills import IMAGE_SUFFIXES

MOTION_INVERSION = "motion_inversion"
_VIDEOS = (".mp4", ".webm", ".mov", ".mkv", ".gif")


def add_learning(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe",
        choices=(MOTION_INVERSION, *RECIPES),
        default=MOTION_INVERSION,
        help="the published method to learn by (default: motion_inversion)",
    )
    group = parser.add_argument_group("learning", "what is not given comes from the preset or the recipe")
    group.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        help="named settings (default: official; starter for the starter model)",
    )
    group.add_argument("--steps", type=int, metavar="N", help="optimiser steps")
    group.add_argument("--learning-rate", type=float, metavar="X")
    group.add_argument(
        "--objective",
        metavar="NAME",
        help=f"{', '.join(OBJECTIVES)}, or a sum: noise_mse+0.5*appearance_debiased",
    )
    group.add_argument(
        "--sites",
        metavar="WHICH",
        help="deepest (simple, local motion), all (wide, complex motion), or a regular expression",
    )
    group.add_argument("--layout", metavar="NAME", help="official (exports to motion_embed.pt) or paper")
    group.add_argument(
        "--colourings",
        type=int,
        metavar="N",
        help="show the clip in up to 12 colourings, so that its colours are not learnt (1: only as it is)",
    )
    group.add_argument(
        "--memory",
        metavar="MODE",
        help="fast, balanced or low: less memory, more time. For motion_inversion also auto (the default: by what is "
        "free) and lowest (on a GPU: weights in 8 bits, which changes the result a little)",
    )
    group.add_argument(
        "--pool",
        type=_pool_size,
        metavar="N",
        help="take all steps from N draws of noise, so that half of a forward need not run again, at the cost of some "
        "of the motion; auto: by free memory (default: 0, ever new noise)",
    )
    group.add_argument(
        "--early-stop",
        action=argparse.BooleanOptionalAction,
        help="end once the loss on draws that are not learnt from falls no more, and keep the best "
        "(default: the preset's)",
    )
    group.add_argument(
        "--fast-kernels",
        action=argparse.BooleanOptionalAction,
        help="compute the same faster, with other rounding (default: the preset's)",
    )
    group.add_argument(
        "--steady",
        action=argparse.BooleanOptionalAction,
        help="cut gradients to their usual length and give the average of the last steps, so that a high rate goes far "
        "in few of them (default: the preset's)",
    )
    group.add_argument(
        "--compile",
        action=argparse.BooleanOptionalAction,
        help="let torch.compile make faster kernels, which takes some minutes: for many steps, or a large model",
    )
    group.add_argument(
        "--cuda-graphs",
        action=argparse.BooleanOptionalAction,
        help="record a step's kernels once and replay them: for a GPU that waits for Python",
    )
    group.add_argument(
        "--timesteps",
        type=_timesteps,
        metavar="WHICH",
        help="noise levels to learn at: all, a range such as 500-999 (where motion is decided), or coarse:0.5 (high "
        "noise more often)",
    )
    group.add_argument("--mask", type=Path, metavar="CLIP", help="clip that is white where the motion to learn is")
    group = parser.add_argument_group("recipes other than motion_inversion")
    group.add_argument("--layers", metavar="WHICH", help=f"{', '.join(LAYER_CHOICES)}, joined with ' + ', or a pattern")
    group.add_argument("--kind", choices=KINDS, help="what is learnt of a layer")
    group.add_argument("--rank", type=int, metavar="N", help="of a low-rank adapter")
    group.add_argument(
        "--also",
        type=Path,
        action="append",
        metavar="CLIP",
        help="another clip with the same motion, and with a caption of its own if a text file of its name is beside it",
    )
    group.add_argument(
        "--augment",
        choices=AUGMENTATIONS,
        help="learn from several versions of each clip: nearer and off centre, in another light, or both",
    )
    group.add_argument("--versions", type=int, metavar="N", help="how many versions, the clip itself among them (4)")
    group.add_argument(
        "--regularisation",
        type=Path,
        metavar="DIR",
        help="clips and images without the motion, each with its caption in a text file of its name; --start and "
        "--reversed are not for them",
    )

    group.add_argument(
        "--subject",
        nargs=2,
        action="append",
        metavar=("IMAGE", "TEXT"),
        help="a picture of a subject to learn beside the motion, and what it shows; several are usual",
    )
    group = parser.add_argument_group(
        "early stop of those recipes", "a preview is made now and then, and a CLIP says how well it shows its prompt"
    )
    group.add_argument("--clip", type=Path, metavar="DIR", help="folder of CLIP, as transformers saves it")
    group.add_argument(
        "--preview-prompt",
        metavar="TEXT",
        help="what the preview shows, other than the reference; CLIP does not read V*",
    )
    group.add_argument("--check-every", type=int, metavar="N", help="steps between previews (50)")
    group.add_argument(
        "--stop-appearance", type=float, metavar="X", help="end below this score; the last adapter above it is kept"
    )
    group.add_argument(
        "--stop-patience", type=int, metavar="N", help="end after N previews without a better score than before"
    )


def _pool_size(said: str) -> int:
    if said != "auto" and not said.isdecimal():
        raise argparse.ArgumentTypeError(f"{said!r} is no number of draws; give one, or auto")
    return POOL_AUTO if said == "auto" else int(said)


def _timesteps(said: str) -> TimestepSampler:
    try:
        return parse_timesteps(said)
    except OptionError as reason:
        raise argparse.ArgumentTypeError(str(reason)) from reason


_OF_STOPS = ("preview_prompt", "check_every", "stop_appearance", "stop_patience")
_OF_SPEED = ("pool", "early_stop", "fast_kernels", "steady", "compile", "cuda_graphs")
_OF_EMBEDDINGS = ("preset", "sites", "layout", "colourings", "mask", *_OF_SPEED)
_OF_SETS = ("also", "augment", "versions", "regularisation", "subject")
_OF_ADAPTERS = ("layers", "kind", "rank", *_OF_SETS, "clip", *_OF_STOPS)


def learning(args: argparse.Namespace, seed: int) -> LearnConfig | Recipe:
    """What the options make of the recipe. Raises OptionError for an option that it has no use for."""
    foreign = _OF_ADAPTERS if args.recipe == MOTION_INVERSION else _OF_EMBEDDINGS
    for name in foreign:
        if getattr(args, name) not in (None, False):
            option = name.replace("_", "-")
            raise OptionError(f"--{option} does nothing for --recipe {args.recipe}; leave it out or change the recipe")
    if args.recipe == MOTION_INVERSION:
        return learn_config(args, seed)
    names = ("steps", "learning_rate", "objective", "timesteps", "memory", "layers", "kind", "rank")
    preset = "published" if args.model else "starter"
    return find_recipe(args.recipe, preset).changed(**{name: getattr(args, name) for name in names})


def augmentation(args: argparse.Namespace) -> AugmentConfig | None:
    """What the options say of versions of a clip; None where they say nothing. Raises OptionError."""
    if args.augment is None and args.versions is None:
        return None
    given = {"how": args.augment, "versions": args.versions, "seed": args.seed}
    return AugmentConfig(**{name: value for name, value in given.items() if value is not None})


def stop_config(args: argparse.Namespace) -> StopConfig | None:
    """What the options say of an early stop; None where they say nothing. Raises OptionError."""
    given = {name: getattr(args, name) for name in _OF_STOPS if getattr(args, name) is not None}
    if not args.clip:
        for name in given:
            raise OptionError(f"--{name.replace('_', '-')} needs a CLIP that looks at previews; give --clip DIR")
        return None
    if not given.pop("preview_prompt", ""):
        raise OptionError("--clip needs something to look at; give --preview-prompt TEXT")
    names = {"check_every": "every", "stop_appearance": "floor", "stop_patience": "patience"}
    return StopConfig(**{names[name]: value for name, value in given.items()})


def read_folder(args: argparse.Namespace, folder: Path, frames: int, width: int, height: int) -> list[Captioned]:
    """The clips and images of a folder, each with the caption in the text file of its name. Raises VideoError."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in (*_VIDEOS, *IMAGE_SUFFIXES))
    if not paths:
        raise VideoError(f"{folder} holds no clips ({', '.join(_VIDEOS)}) and no images; name a folder that does")
    options = ClipOptions(frames, 0, args.every, width, height, args.fit)
    return [Captioned(read_either(path, options), read_caption(path)) for path in paths]


def read_subject(args: argparse.Namespace, path: str, caption: str, width: int, height: int) -> Captioned:
    """A picture with its caption. Raises VideoError."""
    return Captioned(read_still(path, ClipOptions(width=width, height=height, fit=args.fit)), caption)


def read_either(path: Path, options: ClipOptions) -> Clip:
    """A clip, or an image as a clip of one frame. Raises VideoError."""
    return (read_still if path.suffix.lower() in IMAGE_SUFFIXES else read_clip)(path, options)


def read_caption(path: Path, usual: str | None = None) -> str:
    """What the text file of a clip's name says it shows, or else the usual. Raises VideoError."""
    file = path.with_suffix(".txt")
    if file.is_file():
        return file.read_text(encoding="utf-8").strip()
    if usual is None:
        raise VideoError(f"{path.name} has no caption; write what it shows into {file.name} beside it")
    return usual


def learn_config(args: argparse.Namespace, seed: int) -> LearnConfig:
    return LearnConfig.of(
        args.preset or ("official" if args.model else "starter"),
        steps=args.steps,
        learning_rate=args.learning_rate,
        objective=args.objective,
        sites=args.sites,
        layout=args.layout,
        colourings=args.colourings,
        memory=args.memory,
        pool=args.pool,
        early_stop=args.early_stop,
        fast_kernels=args.fast_kernels,
        steady=args.steady,
        compile=args.compile,
        cuda_graphs=args.cuda_graphs,
        timesteps=args.timesteps,
        seed=seed,
    )
