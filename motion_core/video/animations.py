"""Animated PNG and WebP: a scan of their chunks for timing and damage, and decoding with Pillow."""

import struct
import zlib
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..errors import VideoError
from .containers.input_checks import check_frame_size, reporting_damage
from .containers.timing import build_timeline, repeat_frames
from .frames.options import ClipOptions
from .frames.resizing import lay_on_black
from .frames.selection import select_frames

PNG = b"\x89PNG\r\n\x1a\n"


def is_picture(head: bytes) -> bool:
    """Whether a file with these first bytes is a PNG or WebP, animated or not."""
    return head.startswith(PNG) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def is_still_webp(path: Path) -> bool:
    """Whether the header of a WebP says that it is not animated. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(21)
    return head[8:12] == b"WEBP" and not (head[12:16] == b"VP8X" and bool(head[20:] and head[20] & 2))


def decode_animation(path: Path, options: ClipOptions) -> Generator[tuple[Tensor, float], None, None]:
    """Yields each selected frame (H, W, 3) uint8 with the clip's rate. Frames are counted at the mean rate."""
    with reporting_damage(path):
        data = path.read_bytes()
        delays, complete = scan_animation(data)
        if complete and len(delays) < 2:
            raise VideoError(f"{path} holds only one picture; a motion needs at least 2 frames, so give a video")
        timeline = build_timeline(delays)
        frames = repeat_frames(decode_pictures(path, len(delays), complete=complete), timeline.count_repeats())
        for _, pixels in select_frames(frames, options, path):
            yield pixels, timeline.fps


def decode_pictures(path: Path, count: int, *, complete: bool) -> Iterator[tuple[int, Tensor]]:
    """Yields every intact frame with its number, transparency on black. Then raises VideoError if the file is damaged.

    count: how many frames are intact; complete: whether nothing is damaged or missing after them.
    """
    with Image.open(path) as image:
        check_frame_size(path, *image.size)
        default_images = int(getattr(image, "default_image", False))  # shown by programs that do not support APNG
        for number in range(count):
            image.seek(number + default_images)
            width, height = image.size
            pixels = torch.frombuffer(bytearray(image.convert("RGBA").tobytes()), dtype=torch.uint8)
            yield number, lay_on_black(pixels.view(height, width, 4))
        if not complete or getattr(image, "n_frames", 1) != count + default_images:
            raise VideoError(f"{path} is damaged after {count} frames; export it again, or ask for fewer")


def scan_animation(data: bytes) -> tuple[list[Fraction], bool]:
    """Delays in seconds of the intact frames of a PNG or WebP, and whether nothing is damaged or missing after them."""
    return scan_png(data) if data.startswith(PNG) else scan_webp(data)


def scan_png(data: bytes) -> tuple[list[Fraction], bool]:
    """Delays in seconds of the intact frames, and whether the file is complete, by checksums and number of frames."""
    delays: list[Fraction] = []
    offset, announced, pending = len(PNG), 0, None
    while offset + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, offset)
        kind, body = data[offset + 4 : offset + 8], data[offset + 8 : offset + 8 + length]
        offset += 12 + length
        if offset > len(data) or zlib.crc32(kind + body) != int.from_bytes(data[offset - 4 : offset], "big"):
            return delays, False
        if kind == b"acTL":
            announced = int.from_bytes(body[:4], "big")
        if kind in (b"fcTL", b"IEND") and pending is not None:
            delays.append(pending)
        if kind == b"fcTL":
            numerator, denominator = struct.unpack_from(">HH", body, 20)
            pending = Fraction(numerator, denominator or 100)
        if kind == b"IEND":
            return delays, len(delays) == announced
    return delays, False


def scan_webp(data: bytes) -> tuple[list[Fraction], bool]:
    """Delays in seconds of the intact frames, and whether the file is as long as its header says."""
    delays: list[Fraction] = []
    end = 8 + int.from_bytes(data[4:8], "little")
    offset, known = 12, (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ")
    while offset + 8 <= min(end, len(data)):
        kind, length = data[offset : offset + 4], int.from_bytes(data[offset + 4 : offset + 8], "little")
        body = offset + 8
        offset = body + length + length % 2
        if offset > min(end, len(data)) or kind not in known:
            return delays, False
        if kind == b"ANMF":
            delays.append(Fraction(int.from_bytes(data[body + 12 : body + 15], "little"), 1000))
    return delays, offset == end
