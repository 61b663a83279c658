"""The frames that the options ask for, out of a stream of frames."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from ...errors import VideoError
from .options import ClipOptions

MAX_FRAMES_UNASKED = 256

T = TypeVar("T")


def select_frames(source: Iterable[T], options: ClipOptions, path: Path) -> Iterator[tuple[int, T]]:
    """The frames that the options ask for, with their numbers in the source; stops at the last one."""
    total = picked = 0
    for number, frame in enumerate(source):
        total = number + 1
        if number < options.start or (number - options.start) % options.every:
            continue
        if options.frames is None and picked == MAX_FRAMES_UNASKED:
            raise VideoError(f"{path} has more than {MAX_FRAMES_UNASKED} frames; say how many to take (frames)")
        picked += 1
        yield number, frame
        if picked == options.frames:
            return
    check_enough(path, total, picked, options)


def check_enough(path: Path, total: int, picked: int, options: ClipOptions) -> None:
    if total == 0:
        raise VideoError(f"{path} holds no frame that can be decoded; export it again as mp4")
    if total == 1:
        raise VideoError(f"{path} holds only one frame; a motion needs at least 2, so use a longer clip")
    if picked < (options.frames or 2):
        wanted = f"{options.frames} were asked for" if options.frames else "a motion needs at least 2"
        cure = f"ask for at most {picked} frames" if picked >= 2 else "lower start or every"
        raise VideoError(
            f"{path} has {total} frames, {picked} of them with start={options.start} and every={options.every}, "
            f"but {wanted}; {cure} or use a longer clip"
        )
