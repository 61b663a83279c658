"""Reads every file of a folder and prints the outcomes as JSON. Usage: read_damaged.py INTACT FOLDER"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch

from motion_core.errors import VideoError
from motion_core.video.reading import read_clip
from tests.quick.faults.peak import read_peak


def read(path: Path, expected: torch.Tensor) -> str:
    """`refused`, `correct`, `altered` (as many frames, but others), or another outcome."""
    try:
        clip = read_clip(path)
    except VideoError as error:
        sentence = str(error)
        return "refused" if str(path) in sentence and "\n" not in sentence else f"unclear: {sentence!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if not clip.frames.isfinite().all() or not 0 < clip.fps <= 240:
        return "no valid clip"
    if len(clip.frames) != len(expected):
        return f"{len(clip.frames)} of {len(expected)} frames"
    return "correct" if torch.equal(clip.frames, expected) else "altered"


def main(intact: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    expected = read_clip(intact).frames
    before = read_peak()
    outcomes = {path.name: read(path, expected) for path in sorted(folder.iterdir())}
    growth = read_peak() - before
    print(json.dumps({"outcomes": outcomes, "growth": growth}))


main(*map(Path, sys.argv[1:]))
