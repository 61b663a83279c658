"""Options that several commands share, and what they become."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..device import DEVICES
from ..errors import FileError, OptionError, VideoError
from ..hooks.applied import AppliedMotion
from ..models.loading import load_video_model
from ..models.video_model import VideoModel
from ..motions.apply_settings import AdapterSettings, ApplySettings, EmbeddingSettings, merge_settings
from ..motions.motion import Motion
from ..options import find_option, list_options
from ..pipeline import GenerateConfig
from ..starter.folder import STARTER, find_model
from ..video.frames.options import ClipOptions
from ..video.reading import Clip, read_clip
from .option_arguments import add_option

_USUAL_FRAMES = 24
_SAMPLING = ("noise", "beta", "factor", "steps", "guidance", "negative")
_INTERVAL = {"start": "motion-start", "end": "motion-end"}


def add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        default=STARTER,
        metavar="DIR",
        help="diffusers folder of the ZeroScope family, or wan-starter (default: the starter model)",
    )
    group.add_argument("--device", choices=DEVICES, help="where to compute (default: the first of them that there is)")


def load(args: argparse.Namespace) -> VideoModel:
    return load_video_model(find_model(args.model), args.device)


def add_reference(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    group = parser.add_argument_group("reference clip")
    group.add_argument(
        "--reference",
        type=Path,
        metavar="CLIP",
        required=required,
        help="video file (mp4, webm, mov, mkv, gif) or folder of frames",
    )
    group.add_argument("--start", type=int, default=0, metavar="N", help="first frame to take (default: 0)")
    group.add_argument("--every", type=int, default=1, metavar="N", help="take each Nth frame (default: 1)")
    group.add_argument(
        "--fit", choices=("crop", "pad"), default="crop", help="how the picture is brought to the size (default: crop)"
    )
    group.add_argument("--reversed", action="store_true", help="learn the motion backwards")


def add_size(parser: argparse.ArgumentParser, source: str) -> None:
    """source: what the values that are not given come from, for the help."""
    group = parser.add_argument_group("size")
    for name in ("frames", "width", "height"):
        add_option(group, *find_option(GenerateConfig, name), default=source)


def read_reference(args: argparse.Namespace, path: Path, *, frames: int, width: int, height: int) -> Clip:
    return read_clip(path, ClipOptions(frames, args.start, args.every, width, height, args.fit, args.reversed))


def usual_size(model: VideoModel) -> tuple[int, int, int]:
    """Returns (frames, width, height) that the model was trained on."""
    return model.frames or _USUAL_FRAMES, *model.usual_size


def add_applying(parser: argparse.ArgumentParser) -> None:
    """Adds the options of applying an embedding or an adapter."""
    group = parser.add_argument_group("applying", "what is not given is as the motion suggests")
    found = {
        field.name: (field, known)
        for kind in (AdapterSettings, EmbeddingSettings)
        for field, known in list_options(kind)
    }
    for name, (field, known) in found.items():
        if name in _INTERVAL:  # --start is the reference's first frame
            group.add_argument(
                f"--{_INTERVAL[name]}",
                dest=f"apply_{name}",
                type=float,
                metavar="X",
                help=f"{known.about[0].lower()}{known.about[1:].rstrip('.')} (0..1)",
            )
        else:
            add_option(group, field, known)


def apply_motions(args: argparse.Namespace, motions: Sequence[Motion]) -> list[AppliedMotion]:
    """Applies motions as the options say, and each as it suggests where they say nothing. Raises OptionError."""
    check_applying(args, [motion.settings_type for motion in motions])
    return [AppliedMotion.of(motion, **_choose_applying(args)) for motion in motions]


def check_applying(
    args: argparse.Namespace, kinds: Sequence[type[ApplySettings]], suggestion: Mapping[str, Any] = {}
) -> None:
    """Raises OptionError for a value out of range, and for an option that none of these settings has.

    suggestion: the values where the options say nothing.
    """
    chosen = {name: value for name, value in _choose_applying(args).items() if value is not None}
    known = dict.fromkeys(each.name for kind in kinds for each in fields(kind))
    for name in chosen.keys() - known.keys():
        usable = ", ".join(f"--{each.replace('_', '-')}" for each in known if each not in _INTERVAL)
        flag = name.replace("_", "-")
        raise OptionError(f"--{flag} does nothing for this kind of motion; use one of {usable}")
    for kind in kinds:
        merge_settings(kind, suggestion, **chosen)


def _choose_applying(args: argparse.Namespace) -> dict[str, Any]:
    names = ("strength", "strength_qk", "strength_v", "debias", "branches", "fade")
    return {**{name: getattr(args, name) for name in names}, "start": args.apply_start, "end": args.apply_end}


def add_sampling(
    parser: argparse.ArgumentParser, flags: Mapping[str, str] = {}, defaults: Mapping[str, str] | None = None
) -> None:
    """Adds the options of sampling. flags: other names of options; defaults: what is taken where nothing is given."""
    group = parser.add_argument_group("sampling")
    usual = {
        "noise": "the recipe's where a reference is given, else random",
        "beta": "the recipe's, or 0.5",
        "factor": "4",
        "steps": "25",
        "guidance": "6",
    }
    for name in _SAMPLING:
        field, known = find_option(GenerateConfig, name)
        text = (defaults or usual).get(name, "")
        add_option(group, field, known, flag=flags.get(name, ""), default=text, dest=f"sampling_{name}")


def size_of(motion: Motion, model: VideoModel) -> tuple[int, int, int]:
    """Returns (frames, width, height) of what a motion was trained on, or what is usual for the model."""
    frames, width, height = usual_size(model)
    learnt = model.clip_frames(motion.frames) if motion.frames else frames
    return learnt, motion.origin.width or width, motion.origin.height or height


def choose_sampling(args: argparse.Namespace, size: tuple[int, int, int], **usual: Any) -> GenerateConfig:
    """Returns the options of sampling, with the usual values where they say nothing. size: frames, width, height."""
    given = {name: getattr(args, f"sampling_{name}") for name in _SAMPLING}
    given |= {name: getattr(args, name) for name in ("frames", "width", "height")}
    usual = {**dict(zip(("frames", "width", "height"), size, strict=True)), **usual}
    chosen = {name: value for name, value in given.items() if value is not None}
    return GenerateConfig(**{**usual, **chosen}, seed=args.seed)


def add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same seed gives the same result (default: 0)"
    )


def check_output(path: Path, suffixes: tuple[str, ...]) -> None:
    """Refuses at once what could not be written after minutes of work. Raises FileError, VideoError."""
    kind = FileError if ".safetensors" in suffixes else VideoError
    if path.suffix.lower() not in suffixes:
        raise kind(f"{path.name} has the ending {path.suffix!r}; use {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise kind(f"the folder {path.parent} is not there; make it or choose another")
