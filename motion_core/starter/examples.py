"""The example clips that ship with the pack, drawn by its own code: `python -m motion_core.starter.examples`."""

from __future__ import annotations

from pathlib import Path

import torch

from ..errors import OptionError
from ..video.writing import write_clip
from .appearance import Ground, Subject
from .folder import CLIP_FOLDER
from .paths import HELD_OUT, Motion
from .scene import Actor, render

FPS = 8.0
FRAMES = 16
EXAMPLES: dict[str, tuple[str, Subject, Ground]] = {
    "figure_eight": ("figure_eight", Subject("red", "circle"), Ground("gray", "plain")),
    "spiral": ("spiral", Subject("yellow", "square"), Ground("teal", "plain")),
    "zigzag": ("zigzag", Subject("white", "triangle"), Ground("brown", "striped")),
    "hops": ("hops", Subject("green", "circle"), Ground("black", "plain")),
}
"""File name -> held-out path and appearance."""


def draw_example(name: str) -> torch.Tensor:
    """The frames of an example clip: (16, 64, 64, 3) in 0..1. Raises OptionError for a name that is none."""
    if name not in EXAMPLES:
        raise OptionError(f"example is {name!r}; use one of {', '.join(EXAMPLES)}")
    path, subject, ground = EXAMPLES[name]
    return render(ground, [Actor(subject, Motion.of(HELD_OUT[path](FRAMES)))])


def find_example(name: str) -> Path:
    """The video file of an example clip. Raises OptionError."""
    if name not in EXAMPLES:
        raise OptionError(f"example is {name!r}; use one of {', '.join(EXAMPLES)}")
    return CLIP_FOLDER / f"{name}.mp4"


def main() -> None:
    CLIP_FOLDER.mkdir(exist_ok=True)
    for name in EXAMPLES:
        write_clip(CLIP_FOLDER / f"{name}.mp4", draw_example(name), FPS)
        print(f"wrote {CLIP_FOLDER / name}.mp4")


if __name__ == "__main__":
    main()
