"""What a selection of a clip looks like, small and fast: to be shown while the options are still being chosen."""

import os
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from .animations import decode_animation, scan_animation
from .containers.input_checks import MAX_CLIP_PIXELS, check_clip_size, check_source, reporting_damage
from .containers.packets import scan_packets
from .decoding import decode_video, find_video_stream, open_video
from .frames.options import SIZE_STEP, ClipOptions
from .frames.selection import check_enough
from .reading import Clip, find_decoder, read_clip
from .stills import list_images

LONGEST_SIDE = 256
MOST_SHOWN = 64
MOST_DECODED = 3000
"""Frames from the clip's start: a preview that decodes more takes longer than anyone waits."""


@dataclass(frozen=True)
class SelectionPreview:
    """clip: some of the selected frames, reduced, in the time of all; None where they lie too far into the file.

    total: frames of the file; frames: how many are selected; fps: of the selection, 0 where clip is None.
    """

    clip: Clip | None
    total: int
    frames: int
    fps: float


def preview_selection(path: str | os.PathLike[str], options: ClipOptions) -> SelectionPreview:
    """Reads a preview of what `read_clip` reads. options: with a number of frames and a size.

    Raises VideoError as `read_clip` does, with its sentence.
    """
    path = Path(path)
    check_source(path)
    frames = options.frames
    assert frames is not None and options.width and options.height
    total = count_frames(path)
    selected = len(range(options.start, total, options.every)[:frames])
    too_many = MAX_CLIP_PIXELS // (options.width * options.height) + 1
    check_clip_size(path, min(selected, too_many), options.height, options.width)
    last = options.start + (frames - 1) * options.every
    if selected < frames:
        if total <= MOST_DECODED:
            read_clip(path, replace(options, width=SIZE_STEP, height=SIZE_STEP))
        check_enough(path, total, selected, options)
    if last >= MOST_DECODED:
        return SelectionPreview(None, total, frames, 0.0)
    step = -(-frames // MOST_SHOWN)
    width, height = reduce_size(options.width, options.height)
    shown = replace(options, frames=-(-frames // step), every=options.every * step, width=width, height=height)
    clip = read_clip(path, shown)
    return SelectionPreview(clip, total, frames, clip.fps * step)


def count_frames(path: Path) -> int:
    """Counts the intact frames of a file or folder without decoding any. Raises VideoError."""
    decoder = find_decoder(path)
    with reporting_damage(path):
        if decoder is decode_animation:
            return len(scan_animation(path.read_bytes())[0])
        if decoder is not decode_video:
            return len(list_images(path))
        with closing(open_video(path)) as container:
            return scan_packets(container, find_video_stream(container, path), path).count


def reduce_size(width: int, height: int) -> tuple[int, int]:
    """The size at which the longer side is at most LONGEST_SIDE, in multiples of 8."""
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    width, height = (max(SIZE_STEP, round(side * scale / SIZE_STEP) * SIZE_STEP) for side in (width, height))
    return width, height
