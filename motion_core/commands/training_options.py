"""Options of training, and what they become."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import OptionError, VideoError
from ..options import list_options
from ..pipeline import CaptionedClip, References
from ..recipes.catalogue import RECIPES, find_recipe, first_preset
from ..recipes.recipe import Recipe, list_training_options
from ..starter.folder import usual_presets
from ..training.early_stop import StopSettings
from ..video.frames.options import ClipOptions
from ..video.pictures.augmentation import AUGMENTATIONS, AugmentConfig
from ..video.reading import Clip, read_clip, read_still
from ..video.stills import IMAGE_SUFFIXES
from . import options
from .option_arguments import add_option

MOTION_INVERSION = "motion_inversion"
PRESETS = tuple(dict.fromkeys(preset for recipes in RECIPES.values() for preset in recipes))
_VIDEOS = (".mp4", ".webm", ".mov", ".mkv", ".gif")
_STOP_FLAGS = {"every": "check-every", "floor": "stop-appearance", "patience": "stop-patience"}


def add_training(parser: argparse.ArgumentParser) -> None:
    """Adds the options of training, and of what is trained on beside the reference."""
    parser.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        default=MOTION_INVERSION,
        help="the published method to learn by (default: motion_inversion)",
    )
    group = parser.add_argument_group("learning", "what is not given comes from the preset of the recipe")
    group.add_argument(
        "--preset",
        choices=PRESETS,
        help="named settings (default: official for motion_inversion and published for the others; starter for the "
        "starter model)",
    )
    for field, option in list_training_options().values():
        add_option(group, field, option)
    group.add_argument("--mask", type=Path, metavar="CLIP", help="clip that is white where the motion to learn is")
    _add_references(parser)
    _add_early_stop(parser)


def _add_references(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("more to learn from")
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


def _add_early_stop(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "early stop", "a preview is made now and then, and a CLIP says how well it shows its prompt"
    )
    group.add_argument("--clip", type=Path, metavar="DIR", help="folder of CLIP, as transformers saves it")
    group.add_argument(
        "--preview-prompt",
        metavar="TEXT",
        help="what the preview shows, other than the reference; CLIP does not read V*",
    )
    for field, option in list_options(StopSettings):
        add_option(group, field, option, flag=_STOP_FLAGS[field.name], dest=f"stop_{field.name}")


def choose_recipe(args: argparse.Namespace) -> Recipe:
    """Returns the recipe with what the options change. Raises OptionError for an option that it has no use for."""
    recipe = find_recipe(args.recipe, args.preset or first_preset(args.recipe, usual_presets(args.model)))
    chosen = {name: getattr(args, name) for name in list_training_options()}
    for name in recipe.unused_options:
        if chosen.get(name) is not None:
            flag = name.replace("_", "-")
            raise OptionError(f"--{flag} does nothing for --recipe {args.recipe}; leave it out or change the recipe")
    return recipe.changed(**chosen)


def read_references(args: argparse.Namespace, prompt: str, *, frames: int, width: int, height: int) -> References:
    """Reads the reference and everything else that the options name. Raises MotionError."""
    size = {"frames": frames, "width": width, "height": height}
    clips = [CaptionedClip(options.read_reference(args, args.reference, **size), prompt)]
    for path in args.also or ():
        clips.append(CaptionedClip(options.read_reference(args, path, **size), read_caption(path, prompt)))
    regularisation = read_folder(args, args.regularisation, **size) if args.regularisation else ()
    subjects = [read_subject(args, path, caption, width=width, height=height) for path, caption in args.subject or ()]
    mask = options.read_reference(args, args.mask, **size) if args.mask else None
    return References(clips, regularisation, subjects, mask, choose_augmentation(args))


def choose_augmentation(args: argparse.Namespace) -> AugmentConfig | None:
    """Returns what the options say of versions of a clip, None where they say nothing. Raises OptionError."""
    if args.augment is None and args.versions is None:
        return None
    given = {"how": args.augment, "versions": args.versions, "seed": args.seed}
    return AugmentConfig(**{name: value for name, value in given.items() if value is not None})


def choose_stop(args: argparse.Namespace) -> StopSettings | None:
    """Returns what the options say of an early stop, None where they say nothing. Raises OptionError."""
    given = {name: getattr(args, f"stop_{name}") for name in _STOP_FLAGS}
    given = {name: value for name, value in given.items() if value is not None}
    if not args.clip:
        flags = [*(["preview-prompt"] if args.preview_prompt else []), *(_STOP_FLAGS[name] for name in given)]
        if flags:
            raise OptionError(f"--{flags[0]} needs a CLIP that scores previews; give --clip DIR")
        return None
    if not args.preview_prompt:
        raise OptionError("--clip needs something to look at; give --preview-prompt TEXT")
    return StopSettings(**given)


def read_folder(args: argparse.Namespace, folder: Path, *, frames: int, width: int, height: int) -> list[CaptionedClip]:
    """Reads the clips and images of a folder, each with the caption in the text file of its name. Raises VideoError."""
    paths = [path for path in folder.glob("*") if path.suffix.lower() in (*_VIDEOS, *IMAGE_SUFFIXES)]
    if not paths:
        raise VideoError(f"{folder} holds no clips ({', '.join(_VIDEOS)}) and no images; name a folder that does")
    how = ClipOptions(frames, 0, args.every, width, height, args.fit)
    paths.sort(key=lambda path: path.name)  # paths themselves are sorted otherwise on Windows
    return [CaptionedClip(read_either(path, how), read_caption(path)) for path in paths]


def read_subject(args: argparse.Namespace, path: str, caption: str, *, width: int, height: int) -> CaptionedClip:
    """Reads a picture. Raises VideoError."""
    return CaptionedClip(read_still(path, ClipOptions(width=width, height=height, fit=args.fit)), caption)


def read_either(path: Path, how: ClipOptions) -> Clip:
    """Reads a clip, or an image as a clip of one frame. Raises VideoError."""
    return (read_still if path.suffix.lower() in IMAGE_SUFFIXES else read_clip)(path, how)


def read_caption(path: Path, usual: str | None = None) -> str:
    """Reads the caption in the text file of a clip's name, or returns the usual one. Raises VideoError."""
    file = path.with_suffix(".txt")
    if file.is_file():
        return file.read_text(encoding="utf-8").strip()
    if usual is None:
        raise VideoError(f"{path.name} has no caption; write what it shows into {file.name} beside it")
    return usual
