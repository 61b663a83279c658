"""Animated PNG and WebP: what their chunks tell of timing and damage, and their pictures as Pillow draws them."""

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
from .containers.timing import lay_out, repeat
from .frames.options import ClipOptions
from .frames.resizing import lay_on_black
from .frames.selection import select_frames

PNG = b"\x89PNG\r\n\x1a\n"


def is_picture(head: bytes) -> bool:
    """Whether a file that begins so is a PNG or WebP, with one picture or several."""
    return head.startswith(PNG) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def is_still_webp(path: Path) -> bool:
    """Whether a WebP says at its beginning that it holds one picture. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(21)
    return head[8:12] == b"WEBP" and not (head[12:16] == b"VP8X" and bool(head[20:] and head[20] & 2))


def decode_animation(path: Path, options: ClipOptions) -> Generator[tuple[Tensor, float], None, None]:
    """Each picked frame as (H, W, 3) uint8, with the rate of all; frames are counted at the clip's mean rate."""
    with reporting_damage(path):
        data = path.read_bytes()
        delays, whole = survey_png(data) if data.startswith(PNG) else survey_webp(data)
        if whole and len(delays) < 2:
            raise VideoError(f"{path} holds only one picture; a motion needs at least 2 frames, so give a video")
        timeline = lay_out(delays)
        frames = repeat(draw_frames(path, len(delays), whole), timeline.count_turns())
        for _, pixels in select_frames(frames, options, path):
            yield pixels, timeline.fps


def draw_frames(path: Path, count: int, whole: bool) -> Iterator[tuple[int, Tensor]]:
    """Every whole frame with its number, transparency on black; VideoError after them if the file is damaged."""
    with Image.open(path) as image:
        check_frame_size(path, *image.size)
        shown_elsewhere = int(getattr(image, "default_image", False))  # a picture for programs that know no APNG
        for number in range(count):
            image.seek(number + shown_elsewhere)
            width, height = image.size
            pixels = torch.frombuffer(bytearray(image.convert("RGBA").tobytes()), dtype=torch.uint8)
            yield number, lay_on_black(pixels.view(height, width, 4))
        if not whole or getattr(image, "n_frames", 1) != count + shown_elsewhere:
            raise VideoError(f"{path} is damaged after {count} frames; export it again, or ask for fewer")


def survey_png(data: bytes) -> tuple[list[Fraction], bool]:
    """Delays in seconds of the frames that are whole, and whether all chunks are, by their checksums and count."""
    delays: list[Fraction] = []
    place, announced, pending = len(PNG), 0, None
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += 12 + length
        if place > len(data) or zlib.crc32(kind + body) != int.from_bytes(data[place - 4 : place], "big"):
            return delays, False
        if kind == b"acTL":
            announced = int.from_bytes(body[:4], "big")
        if kind in (b"fcTL", b"IEND") and pending is not None:
            delays.append(pending)
        if kind == b"fcTL":
            over, under = struct.unpack_from(">HH", body, 20)
            pending = Fraction(over, under or 100)
        if kind == b"IEND":
            return delays, len(delays) == announced
    return delays, False


def survey_webp(data: bytes) -> tuple[list[Fraction], bool]:
    """Delays in seconds of the frames that are whole, and whether the file is as long as it says."""
    delays: list[Fraction] = []
    end = 8 + int.from_bytes(data[4:8], "little")
    place, known = 12, (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ")
    while place + 8 <= min(end, len(data)):
        kind, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        body = place + 8
        place = body + length + length % 2
        if place > min(end, len(data)) or kind not in known:
            return delays, False
        if kind == b"ANMF":
            delays.append(Fraction(int.from_bytes(data[body + 12 : body + 15], "little"), 1000))
    return delays, place == end
