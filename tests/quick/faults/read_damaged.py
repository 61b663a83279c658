"""Reads every file of a folder and prints as JSON what came of each. usage: read_damaged.py WHOLE FOLDER"""

import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch

from motion_core.errors import VideoError
from motion_core.video.reading import read_clip


def judge(path: Path, wanted: torch.Tensor) -> str:
    """refused, right, altered (as many frames as wanted but others), or what else is wrong."""
    try:
        clip = read_clip(path)
    except VideoError as error:
        sentence = str(error)
        return "refused" if str(path) in sentence and "\n" not in sentence else f"unclear: {sentence!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if not clip.frames.isfinite().all() or not 0 < clip.fps <= 240:
        return "no sane clip"
    if len(clip.frames) != len(wanted):
        return f"{len(clip.frames)} of {len(wanted)} frames"
    return "right" if torch.equal(clip.frames, wanted) else "altered"


def main(whole: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    wanted = read_clip(whole).frames
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = {path.name: judge(path, wanted) for path in sorted(folder.iterdir())}
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps({"said": said, "grown": grown}))


main(*map(Path, sys.argv[1:]))
