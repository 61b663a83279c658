"""What a webm or mkv holds, told from its elements: how many frames, and whether all of it is there."""

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

EBML, SEGMENT, CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
SIMPLE_BLOCK, BLOCK_GROUP, BLOCK, CHECKSUM = b"\xa3", b"\xa0", b"\xa1", b"\xbf"
TRACKS = b"\x16\x54\xae\x6b"
OTHERS = (
    b"\x11\x4d\x9b\x74",  # what is where
    b"\x15\x49\xa9\x66",  # times and titles, which people alter and whose checksum programs leave as it was
    b"\x1c\x53\xbb\x6b",  # places to jump to
    b"\x12\x54\xc3\x67",  # tags
    b"\x10\x43\xa7\x70",  # chapters
    b"\x19\x41\xa4\x69",  # attached files
    b"\xec",  # nothing
    CHECKSUM,
)
IN_CLUSTER = (b"\xe7", b"\xa7", b"\xab", b"\x58\x54", SIMPLE_BLOCK, BLOCK_GROUP, b"\xec", CHECKSUM)
LACING = 0x06


class Broken(Exception):
    """The elements don't follow one another as they should."""


class Untold(Exception):
    """An element doesn't tell its length, as in live recordings."""


@dataclass
class Holding:
    """blocks: of each track, by its number; whole: the file has all that it says; laced: blocks of many frames."""

    blocks: dict[int, int] = field(default_factory=dict)
    whole: bool = True
    laced: bool = False


def survey_matroska(path: Path) -> Holding | None:
    """Reads only the heads of elements; None for a live recording, which doesn't tell its length."""
    held = Holding()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            for kind, start, end in walk(file, 0, size):
                if kind == SEGMENT:
                    survey_segment(file, start, end, held)
                elif kind not in (EBML, b"\xec"):
                    raise Broken
        except Broken:
            held.whole = False
        except Untold:
            return None
    return held


def survey_segment(file: BinaryIO, start: int, end: int, held: Holding) -> None:
    for kind, first, last in walk(file, start, end):
        if kind == CLUSTER:
            survey_cluster(file, first, last, held)
        elif kind == TRACKS:
            check_sum(file, first, last)
        elif kind not in OTHERS:
            raise Broken


def survey_cluster(file: BinaryIO, start: int, end: int, held: Holding) -> None:
    for kind, first, last in walk(file, start, end):
        if kind == SIMPLE_BLOCK:
            count_block(file, first, held)
        elif kind == BLOCK_GROUP:
            for inner, place, _ in walk(file, first, last):
                if inner == BLOCK:
                    count_block(file, place, held)
        elif kind not in IN_CLUSTER:
            raise Broken


def count_block(file: BinaryIO, place: int, held: Holding) -> None:
    file.seek(place)
    track = read_number(file)
    flags = file.read(3)[2:]
    held.laced |= bool(flags and flags[0] & LACING)
    held.blocks[track] = held.blocks.get(track, 0) + 1


def check_sum(file: BinaryIO, start: int, end: int) -> None:
    """Broken if an element begins with a checksum of what follows in it, and that is another."""
    file.seek(start)
    data = file.read(end - start)
    if data[:2] == CHECKSUM + b"\x84" and zlib.crc32(data[6:]) != int.from_bytes(data[2:6], "little"):
        raise Broken


def walk(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Each element's kind, where its content begins and where it ends. Raises Broken."""
    while start < end:
        file.seek(start)
        kind = read_kind(file)
        length = read_number(file)
        place = file.tell()
        start = place + length
        if start > end:
            raise Broken
        yield kind, place, start


def read_kind(file: BinaryIO) -> bytes:
    """An element's identity, of 1 to 4 bytes with the marker of its length."""
    first = file.read(1)
    if not first or first[0] < 0x10:
        raise Broken
    return first + file.read(8 - first[0].bit_length())


def read_number(file: BinaryIO) -> int:
    """A number of 1 to 8 bytes, whose leading zeros tell how many. Raises Untold for the one that means no number."""
    first = file.read(1)
    if not first or not first[0]:
        raise Broken
    more = 8 - first[0].bit_length()
    bits = 7 * (more + 1)
    number = int.from_bytes(first + file.read(more), "big") & (1 << bits) - 1
    if number == (1 << bits) - 1:
        raise Untold
    return number
