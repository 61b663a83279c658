"""The example clips that ship with the pack, drawn by its own code: `python -m motion_core.starter.examples`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from ..errors import OptionError
from ..video.writing import write_clip
from .appearance import Ground, Subject
from .folder import CLIP_FOLDER
from .paths import HELD_OUT, Motion
from .scene import Actor, render


class Example(NamedTuple):
    """A held-out path and its appearance, for so many frames."""

    path: str
    subject: Subject
    ground: Ground
    frames: int = 16
    fps: float = 8.0


EXAMPLES = {
    "figure_eight": Example("figure_eight", Subject("red", "circle"), Ground("gray", "plain")),
    "figure_eight_long": Example("figure_eight", Subject("red", "circle"), Ground("gray", "plain"), 33, 16.0),
    "spiral": Example("spiral", Subject("yellow", "square"), Ground("teal", "plain")),
    "zigzag": Example("zigzag", Subject("white", "triangle"), Ground("brown", "striped")),
    "hops": Example("hops", Subject("green", "circle"), Ground("black", "plain")),
}
"""By file name. The long one is for the Wan starter."""


def draw_example(name: str) -> torch.Tensor:
    """The frames of an example clip: (N, 64, 64, 3) in 0..1. Raises OptionError for a name that is none."""
    if name not in EXAMPLES:
        raise OptionError(f"example is {name!r}; use one of {', '.join(EXAMPLES)}")
    example = EXAMPLES[name]
    return render(example.ground, [Actor(example.subject, Motion.of(HELD_OUT[example.path](example.frames)))])


def find_example(name: str) -> Path:
    """The video file of an example clip. Raises OptionError."""
    if name not in EXAMPLES:
        raise OptionError(f"example is {name!r}; use one of {', '.join(EXAMPLES)}")
    return CLIP_FOLDER / f"{name}.mp4"


def main() -> None:
    CLIP_FOLDER.mkdir(exist_ok=True)
    for name in EXAMPLES:
        write_clip(CLIP_FOLDER / f"{name}.mp4", draw_example(name), EXAMPLES[name].fps)
        print(f"wrote {CLIP_FOLDER / name}.mp4")


if __name__ == "__main__":
    main()
