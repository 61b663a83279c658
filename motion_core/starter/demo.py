"""`make demo`: learns the motion of an example clip on the starter model and moves two other things that way.

Writes a looping GIF, an MP4 and a contact sheet, and says how well the motion and the appearance were met.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from ..errors import MotionError, OptionError
from ..hooks.applied import AppliedMotion
from ..metrics.fidelity import motion_fidelity
from ..models.video_model import VideoModel
from ..models.zeroscope.loading import load_model
from ..motions.motion import Motion
from ..pipeline import CaptionedClip, GenerateConfig, References, generate_clip, train_motion
from ..printable import any_encoding
from ..progress import sampling_bar, training_bar
from ..recipes.motion_inversion import STARTER
from ..video.pictures.pixels import enlarge
from ..video.reading import read_clip
from ..video.writing import write_clip, write_sheet
from .appearance import Ground, Subject, describe
from .examples import EXAMPLES, find_example
from .folder import find_starter
from .recognition import measure_agreement, recognise

SCALE = 3
RECIPE = STARTER
WANTED = (
    (Subject("blue", "square"), Ground("black", "checkered")),
    (Subject("yellow", "triangle"), Ground("teal", "plain")),
)
"""What the two new clips show."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m motion_core.starter.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for what is made (default: demo)")
    parser.add_argument("--example", choices=tuple(EXAMPLES), default="figure_eight", help="which example clip")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with any_encoding():
        try:
            run(args.out, args.example, args.seed)
        except MotionError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


def run(out: Path, example: str, seed: int) -> None:
    """Learn, generate with and without the motion, write and measure. Raises MotionError."""
    started = time.monotonic()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise OptionError(f"{out} can't be a folder ({reason.strerror}); choose another with --out") from reason
    clip = read_clip(find_example(example))
    model = load_model(find_starter())
    subject, ground = EXAMPLES[example].subject, EXAMPLES[example].ground
    references = References([CaptionedClip(clip, describe(subject, ground))])
    with training_bar(RECIPE.steps, f"learning {example}") as callback:
        motion = train_motion(model, references, RECIPE, callback=callback).motion
    motion.save(out / f"{example}.safetensors")
    pairs = [
        (generate(model, *appearance, seed), generate(model, *appearance, seed, motion=motion)) for appearance in WANTED
    ]
    rows = {f"reference: {describe(subject, ground)}": clip.frames}
    for appearance, (without, moved) in zip(WANTED, pairs, strict=True):
        rows[f"without: {describe(*appearance)}"] = without
        rows[f"with its motion: {describe(*appearance)}"] = moved
    write(out, rows, clip.fps)
    print(f"\nmade in {time.monotonic() - started:.0f} s; look at:")
    for path in sorted(out.iterdir()):
        print(f"  {path}")
    report(clip.frames, pairs)


def generate(model: VideoModel, subject: Subject, ground: Ground, seed: int, *, motion: Motion | None = None) -> Tensor:
    """A clip (N, H, W, 3) of this appearance, with the motion or with none."""
    config = GenerateConfig(seed=seed)
    motions = [AppliedMotion.of(motion)] if motion else []
    label = f"{'with' if motion else 'without'}: {describe(subject, ground)}"
    with sampling_bar(config.steps, label) as progress:
        return generate_clip(model, describe(subject, ground), config, motions, progress=progress)


def write(out: Path, rows: dict[str, Tensor], fps: float) -> None:
    """The clips side by side as `transfer.gif` and `transfer.mp4`, and frame by frame as `sheet.png`."""
    beside = torch.cat([_enlarge(clip) for clip in rows.values()], dim=2)
    write_clip(out / "transfer.gif", beside, fps)
    write_clip(out / "transfer.mp4", beside, fps)
    write_sheet(out / "sheet.png", list(rows.values()), list(rows), scale=2)


def _enlarge(clip: Tensor) -> Tensor:
    """Each pixel several times, and a dark gap to the right."""
    large = enlarge(clip, SCALE)
    gap = torch.full((*large.shape[:2], 4, 3), 0.1)
    return torch.cat([large, gap], dim=2)


def report(reference: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> None:
    """Print motion fidelity (1: the same path) and appearance agreement (1: all as asked)."""
    track = recognise(reference).found.track
    print("\n                      motion fidelity   appearance agreement")
    for column, name in enumerate(("without the motion", "with the motion")):
        fidelity, agreement = [], []
        for appearance, pair in zip(WANTED, pairs, strict=True):
            made = recognise(pair[column])
            fidelity.append(float(motion_fidelity(track[None], made.found.track[None])))
            agreement.append(measure_agreement(made, *appearance)["mean"])
        print(f"{name:20}  {sum(fidelity) / len(fidelity):15.2f}   {sum(agreement) / len(agreement):20.2f}")


if __name__ == "__main__":
    sys.exit(main())
