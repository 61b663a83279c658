"""Selection of frames from a stream by start, step and count."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from ...errors import VideoError
from .options import ClipOptions

MAX_FRAMES_BY_DEFAULT = 256

T = TypeVar("T")


def select_frames(source: Iterable[T], options: ClipOptions, path: Path) -> Iterator[tuple[int, T]]:
    """Yields the selected frames with their numbers in the source, and stops reading at the last.

    Raises VideoError for too few frames, or for more than 256 where the options give no number.
    """
    total = selected = 0
    for number, frame in enumerate(source):
        total = number + 1
        if number < options.start or (number - options.start) % options.every:
            continue
        if options.frames is None and selected == MAX_FRAMES_BY_DEFAULT:
            raise VideoError(f"{path} has more than {MAX_FRAMES_BY_DEFAULT} frames; set how many to read (frames)")
        selected += 1
        yield number, frame
        if selected == options.frames:
            return
    check_enough(path, total, selected, options)


def check_enough(path: Path, total: int, selected: int, options: ClipOptions) -> None:
    """Raises VideoError unless as many frames were selected as the options ask for, and at least 2."""
    if total == 0:
        raise VideoError(f"{path} holds no frame that can be decoded; export it again as mp4")
    if total == 1:
        raise VideoError(f"{path} holds only one frame; a motion needs at least 2, so use a longer clip")
    if selected < (options.frames or 2):
        wanted = f"{options.frames} were asked for" if options.frames else "a motion needs at least 2"
        advice = f"ask for at most {selected} frames" if selected >= 2 else "lower start or every"
        raise VideoError(
            f"{path} has {total} frames, {selected} of them with start={options.start} and every={options.every}, "
            f"but {wanted}; {advice} or use a longer clip"
        )
