"""Reading a reference clip from a video file or a folder of images, one frame at a time."""

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import VideoError
from .animations import decode_animation, is_picture
from .containers.input_checks import check_clip_size, check_kind, check_source, reporting_damage
from .containers.timing import UNKNOWN_FPS
from .decoding import decode_video
from .frames.options import ALL_FRAMES, ClipOptions
from .frames.resizing import crop_to_blocks, fit_frame
from .frames.selection import select_frames
from .pictures.pixels import to_bytes
from .stills import list_images, read_image


@dataclass(frozen=True)
class Clip:
    """A clip in memory. frames: (N, H, W, 3) float32 of 0..1; fps: frames per second."""

    frames: Tensor
    fps: float


def read_clip(path: str | os.PathLike[str], options: ClipOptions = ALL_FRAMES) -> Clip:
    """Reads the selected frames of a video file or of a folder of images.

    Files: mp4, webm, mov, mkv, gif, animated webp and png. Images of a folder are sorted in natural order and play at
    8 fps. Decoding stops at the last selected frame, and other frames are not kept in memory. The rate is the clip's
    mean rate divided by `every`.
    Raises VideoError for a damaged file, a file without video, or too few frames.
    """
    path = Path(path)
    check_source(path)
    with closing(find_decoder(path)(path, options)) as frames:
        return collect_frames(frames, options, path)


def find_decoder(path: Path) -> Callable[[Path, ClipOptions], Generator[tuple[Tensor, float], None, None]]:
    """The decoder for a path, by content and not by name. Raises VideoError."""
    if os.path.isdir(path):
        return decode_folder
    with reporting_damage(path), path.open("rb") as file:
        head = file.read(512)
    check_kind(path, head)
    return decode_animation if is_picture(head) else decode_video


def read_still(path: str | os.PathLike[str], options: ClipOptions = ALL_FRAMES) -> Clip:
    """Reads an image as a clip of one frame, at the size in the options. Raises VideoError."""
    path = Path(path)
    if not path.is_file():
        raise VideoError(f"{path} does not exist; give the path of an image")
    with reporting_damage(path):
        pixels = read_image(path)
    return collect_frames([(pixels, UNKNOWN_FPS)], options, path)


def take_frames(frames: Tensor, fps: float, options: ClipOptions = ALL_FRAMES, name: str = "the video") -> Clip:
    """Does what `read_clip` does, with frames (N, H, W, 3) of 0..1 in memory. Raises VideoError."""
    path = Path(name)
    selected = select_frames(frames, options, path)
    return collect_frames(((to_bytes(frame), fps) for _, frame in selected), options, path)


def collect_frames(decoded: Iterable[tuple[Tensor, float]], options: ClipOptions, path: Path) -> Clip:
    """Stacks selected frames (H, W, 3) uint8 at the size in the options. Each comes with the clip's rate."""
    height, width = options.height, options.width
    fps = UNKNOWN_FPS
    frames: list[Tensor] = []
    for pixels, fps in decoded:  # noqa: B007 (the rate is the same for all)
        if not options.width:
            pixels = crop_to_blocks(pixels, path)
        height, width = height or pixels.shape[0], width or pixels.shape[1]
        check_clip_size(path, len(frames) + 1, height, width)
        frames.append(fit_frame(pixels, height, width, options.fit))
    if options.reversed:
        frames.reverse()
    return Clip(torch.stack(frames).to(torch.float32).div_(255), fps / options.every)


def decode_folder(path: Path, options: ClipOptions) -> Generator[tuple[Tensor, float], None, None]:
    """Yields each selected image (H, W, 3) uint8 with the rate of a folder."""
    with reporting_damage(path):
        images = list_images(path)
    for _, image in select_frames(images, options, path):
        with reporting_damage(image):
            yield read_image(image), UNKNOWN_FPS
