"""Checks of the input: files that hold no clip, sizes that do not fit, and errors of the decoders."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from ...errors import MotionError, VideoError

MAX_SIDE = 8192
MAX_FRAME_PIXELS = 2**26
MAX_CLIP_PIXELS = 2**29  # 6 GiB as float32; 256 frames of 1920x1080 still pass
# compared with the file's head in lower case
IMAGE_HEADS = (b"\xff\xd8\xff", b"bm", b"ii*\0", b"mm\0*")
SOUND_HEADS = (b"id3", b"oggs", b"flac", b"\xff\xfb", b"\xff\xf1")


@contextmanager
def reporting_damage(path: Path) -> Iterator[None]:
    """Turns every error of a decoder into a VideoError with a sentence about the file."""
    try:
        yield
    except MotionError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise VideoError(f"{path} has frames of too many pixels; make it at most {MAX_SIDE}x{MAX_SIDE}") from error
    except OSError as error:
        raise VideoError(
            f"{path} can't be read ({error.strerror or error}); it may be damaged: export it again as mp4 or png"
        ) from error
    except Exception as error:  # the libraries raise many kinds, ValueError and SyntaxError among them
        reason = getattr(error, "strerror", None) or error
        raise VideoError(
            f"{path} is damaged or no video ({reason}); export it again as mp4, or ask for fewer frames"
        ) from error


def check_source(path: Path) -> None:
    """Raises VideoError unless the path is a folder or a file with content."""
    if os.path.isdir(path):
        return
    if not os.path.isfile(path):
        raise VideoError(f"{path} does not exist; give the path of a video file or of a folder of images")
    if os.path.getsize(path) == 0:
        raise VideoError(f"{path} is empty; export it again, or copy it again")


def check_kind(path: Path, head: bytes) -> None:
    """Raises VideoError for content that is no video, whatever the file's name. head: the first bytes of the file."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        raise VideoError(f"{path} is a web page and no video; download the file itself, not the page that shows it")
    if text.startswith(b"version https://git-lfs"):
        raise VideoError(f"{path} is only a git-lfs pointer and no video; fetch the file itself with git lfs pull")
    if text.startswith(IMAGE_HEADS):
        raise VideoError(f"{path} holds only one picture; a motion needs at least 2, so give a video or a folder")
    if text.startswith(SOUND_HEADS) or (text[:4] == b"riff" and text[8:12] == b"wave"):
        raise VideoError(f"{path} holds only sound; a motion needs pictures, so give a video")


def check_frame_size(path: Path, width: int, height: int) -> None:
    """Raises VideoError for frames of too many pixels."""
    if max(width, height) > MAX_SIDE or width * height > MAX_FRAME_PIXELS:
        raise VideoError(f"{path} has frames of {width}x{height} pixels; make it at most {MAX_SIDE}x{MAX_SIDE}")


def check_clip_size(path: Path, frames: int, height: int, width: int) -> None:
    """Raises VideoError for a clip that does not fit into memory."""
    if frames * height * width > MAX_CLIP_PIXELS:
        raise VideoError(
            f"{path} is too long for its size ({frames} frames of {width}x{height} pixels and more would not fit into "
            f"memory); set a smaller width and height, or take fewer frames"
        )
