"""Options that several commands share, and what they become."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..diffusion.initial_noise import NOISE_METHODS
from ..errors import FileError, VideoError
from ..models.zeroscope.loading import VideoModel, load_model
from ..motions.adapter import Adapter
from ..motions.debias import DEBIAS_MODES
from ..motions.motion import Motion
from ..pipeline import GenerateConfig
from ..sampling.sample import BRANCHES, AdaptConfig, Applied, AppliedAdapter, AppliedMotion, ApplyConfig
from ..starter.folder import find_starter
from ..video.frames.options import ClipOptions
from ..video.reading import Clip, read_clip

_USUAL_FRAMES = 24


def add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="diffusers folder of the ZeroScope family (default: the starter model)",
    )
    group.add_argument("--device", choices=("cpu", "cuda"), help="where to compute (default: the GPU if there is one)")


def load(args: argparse.Namespace) -> VideoModel:
    return load_model(args.model or find_starter(), args.device)


def add_reference(parser: argparse.ArgumentParser, required: bool = True) -> None:
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


def add_size(parser: argparse.ArgumentParser, whence: str) -> None:
    group = parser.add_argument_group("size")
    group.add_argument("--frames", type=int, metavar="N", help=f"number of frames (default: {whence})")
    group.add_argument("--width", type=int, metavar="W", help=f"pixels, a multiple of 8 (default: {whence})")
    group.add_argument("--height", type=int, metavar="H", help=f"pixels, a multiple of 8 (default: {whence})")


def read_reference(args: argparse.Namespace, path: Path, frames: int, width: int, height: int) -> Clip:
    options = ClipOptions(frames, args.start, args.every, width, height, args.fit, args.reversed)
    return read_clip(path, options)


def usual_size(model: VideoModel) -> tuple[int, int, int]:
    """(frames, width, height) that the model was made for."""
    size = model.denoiser.module.config.sample_size
    h, w = (size, size) if isinstance(size, int) else size
    return model.frames or _USUAL_FRAMES, w * model.factor, h * model.factor


def add_applying(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "applying", "what is not given comes from the preset that the motion was learnt with"
    )
    group.add_argument("--strength", type=float, metavar="X", help="of an adapter: 1 is as learnt, 0 is off")
    group.add_argument("--strength-qk", type=float, metavar="X", help="1 is as learnt, 0 is off")
    group.add_argument("--strength-v", type=float, metavar="X", help="1 is as learnt, 0 keeps the camera's motion only")
    group.add_argument("--debias", choices=DEBIAS_MODES, help="how the reference's looks are taken out")
    group.add_argument(
        "--branches", choices=BRANCHES, help="both (the paper) or conditional (guidance amplifies the motion)"
    )
    group.add_argument(
        "--motion-start", dest="start_at", type=float, metavar="X", help="felt from this part of sampling (0..1)"
    )
    group.add_argument(
        "--motion-end", dest="end_at", type=float, metavar="X", help="felt up to this part of sampling (0..1)"
    )


def applied(args: argparse.Namespace, motion: Motion) -> Applied:
    """A motion as the options, and else its own recipe, say it is felt."""
    suggested: dict[str, Any] = dict(motion.origin.recipe.get("apply", {}))
    given = {name: getattr(args, name) for name in ("strength", "strength_qk", "strength_v", "debias", "branches")}
    given |= {"start": args.start_at, "end": args.end_at}
    suggested |= {name: value for name, value in given.items() if value is not None}
    kind = AdaptConfig if isinstance(motion, Adapter) else ApplyConfig
    known: dict[str, Any] = {name: v for name, v in suggested.items() if name in kind.__dataclass_fields__}
    if isinstance(motion, Adapter):
        return AppliedAdapter(motion, AdaptConfig(**known))
    return AppliedMotion(motion, ApplyConfig(**known))


def add_sampling(parser: argparse.ArgumentParser, steps: str = "--steps", whence: str | None = None) -> None:
    """whence: what the usual values belong to; the options that have none of their own are then None."""
    group = parser.add_argument_group("sampling")

    def add(option: str, dest: str, usual: Any, about: str, **more: Any) -> None:
        default = None if whence else usual
        group.add_argument(option, dest=dest, default=default, help=f"{about} (default: {whence or usual})", **more)

    usual_noise = whence or "the recipe's where a reference is given, else random"
    group.add_argument("--noise", choices=NOISE_METHODS, help=f"what sampling starts from (default: {usual_noise})")
    group.add_argument(
        "--beta", type=float, metavar="X", help="share of inverted noise in a blend (default: the recipe's, or 0.5)"
    )
    group.add_argument("--factor", type=int, default=4, metavar="N", help="of low_frequency_replace (default: 4)")
    add(steps, "sampling_steps", 25, "sampling steps", type=int, metavar="N")
    add("--guidance", "guidance", 6.0, "classifier-free guidance", type=float, metavar="X")
    group.add_argument("--negative", default="", metavar="TEXT", help="what the clip should not look like")


def size_of(motion: Motion, model: VideoModel) -> tuple[int, int, int]:
    """(frames, width, height) of what a motion was learnt from, or else what is usual for the model."""
    frames, width, height = usual_size(model)
    learnt = motion.origin.recipe.get("frames", frames) if isinstance(motion, Adapter) else motion.frames
    return learnt, motion.origin.width or width, motion.origin.height or height


def generate_config(
    args: argparse.Namespace, frames: int, width: int, height: int, noise: str = "random", beta: float = 0.5
) -> GenerateConfig:
    """The options, and what is given here where they say nothing."""
    return GenerateConfig(
        frames=args.frames or frames,
        width=args.width or width,
        height=args.height or height,
        steps=args.sampling_steps,
        guidance=args.guidance,
        negative=args.negative,
        noise=args.noise or noise,
        beta=beta if args.beta is None else args.beta,
        factor=args.factor,
        seed=args.seed,
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same seed gives the same result (default: 0)"
    )


def check_output(path: Path, suffixes: tuple[str, ...]) -> None:
    """Refuse at once what could not be written after minutes of work."""
    kind = FileError if ".safetensors" in suffixes else VideoError
    if path.suffix.lower() not in suffixes:
        raise kind(f"{path.name} has the ending {path.suffix!r}; use {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise kind(f"the folder {path.parent} is not there; make it or choose another")
