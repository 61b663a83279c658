"""A scan of the elements of a webm or mkv file: the number of frames, and whether the file is complete."""

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

EBML, SEGMENT, CLUSTER, VOID = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75", b"\xec"
SIMPLE_BLOCK, BLOCK_GROUP, BLOCK, CHECKSUM = b"\xa3", b"\xa0", b"\xa1", b"\xbf"
TRACKS = b"\x16\x54\xae\x6b"
OTHERS = (
    b"\x11\x4d\x9b\x74",  # seek head
    b"\x15\x49\xa9\x66",  # info; its checksum is not compared, as programs that edit titles leave the old one
    b"\x1c\x53\xbb\x6b",  # cues
    b"\x12\x54\xc3\x67",  # tags
    b"\x10\x43\xa7\x70",  # chapters
    b"\x19\x41\xa4\x69",  # attachments
    VOID,
    CHECKSUM,
)
IN_CLUSTER = (b"\xe7", b"\xa7", b"\xab", b"\x58\x54", SIMPLE_BLOCK, BLOCK_GROUP, VOID, CHECKSUM)
LACING = 0x06


class BrokenStructureError(Exception):
    """An element is not where or what it has to be."""


class UnknownLengthError(Exception):
    """An element has no length, as in live recordings."""


@dataclass
class MatroskaScan:
    """blocks: the number of blocks by track number; complete: nothing is missing or broken; laced: whether some block
    holds several frames.
    """

    blocks: dict[int, int] = field(default_factory=dict)
    complete: bool = True
    laced: bool = False


def scan_matroska(path: Path) -> MatroskaScan | None:
    """Reads the headers of all elements. Returns None for a live recording, whose elements have no length."""
    scan = MatroskaScan()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            for kind, start, end in walk_elements(file, 0, size):
                if kind == SEGMENT:
                    scan_segment(file, start, end, scan)
                elif kind not in (EBML, VOID):
                    raise BrokenStructureError
        except BrokenStructureError:
            scan.complete = False
        except UnknownLengthError:
            return None
    return scan


def scan_segment(file: BinaryIO, start: int, end: int, scan: MatroskaScan) -> None:
    """Adds the clusters of a segment to the scan. Raises BrokenStructureError."""
    for kind, first, last in walk_elements(file, start, end):
        if kind == CLUSTER:
            scan_cluster(file, first, last, scan)
        elif kind == TRACKS:
            verify_checksum(file, first, last)
        elif kind not in OTHERS:
            raise BrokenStructureError


def scan_cluster(file: BinaryIO, start: int, end: int, scan: MatroskaScan) -> None:
    """Adds the blocks of a cluster to the scan. Raises BrokenStructureError."""
    for kind, first, last in walk_elements(file, start, end):
        if kind == SIMPLE_BLOCK:
            count_block(file, first, scan)
        elif kind == BLOCK_GROUP:
            for inner, offset, _ in walk_elements(file, first, last):
                if inner == BLOCK:
                    count_block(file, offset, scan)
        elif kind not in IN_CLUSTER:
            raise BrokenStructureError


def count_block(file: BinaryIO, offset: int, scan: MatroskaScan) -> None:
    """Adds one block to the scan."""
    file.seek(offset)
    track = read_number(file)
    flags = file.read(3)[2:]
    scan.laced |= bool(flags and flags[0] & LACING)
    scan.blocks[track] = scan.blocks.get(track, 0) + 1


def verify_checksum(file: BinaryIO, start: int, end: int) -> None:
    """Raises BrokenStructureError if an element begins with a checksum that does not match the rest of it."""
    file.seek(start)
    data = file.read(end - start)
    if data[:2] == CHECKSUM + b"\x84" and zlib.crc32(data[6:]) != int.from_bytes(data[2:6], "little"):
        raise BrokenStructureError


def walk_elements(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields (ID, start of content, end of content) of each element. Raises BrokenStructureError."""
    while start < end:
        file.seek(start)
        kind = read_id(file)
        length = read_number(file)
        content = file.tell()
        start = content + length
        if start > end:
            raise BrokenStructureError
        yield kind, content, start


def read_id(file: BinaryIO) -> bytes:
    """Reads an element's ID of 1 to 4 bytes. The leading zeros of the first byte give its length."""
    first = file.read(1)
    if not first or first[0] < 0x10:
        raise BrokenStructureError
    return first + file.read(8 - first[0].bit_length())


def read_number(file: BinaryIO) -> int:
    """Reads an integer of 1 to 8 bytes. The leading zeros of the first byte give its length.

    Raises UnknownLengthError if all bits are set, which stands for an unknown length.
    """
    first = file.read(1)
    if not first or not first[0]:
        raise BrokenStructureError
    more = 8 - first[0].bit_length()
    bits = 7 * (more + 1)
    number = int.from_bytes(first + file.read(more), "big") & (1 << bits) - 1
    if number == (1 << bits) - 1:
        raise UnknownLengthError
    return number
