"""A scan of a GIF's blocks: the delay of each image, and whether the file is complete."""

from fractions import Fraction

HEADER = 13  # bytes: signature and logical screen descriptor
EXTENSION, IMAGE, END = 0x21, 0x2C, 0x3B
GRAPHIC_CONTROL = 0xF9


def scan_gif(data: bytes) -> tuple[list[Fraction], bool]:
    """Delays in seconds of the intact images, and whether the file is complete after them."""
    delays: list[Fraction] = []
    try:
        offset = HEADER + colour_table_size(data[10])
        delay = Fraction(0)
        while data[offset] != END:
            if data[offset] == EXTENSION:
                if data[offset + 1] == GRAPHIC_CONTROL:
                    delay = Fraction(int.from_bytes(data[offset + 4 : offset + 6], "little"), 100)
                offset = skip_blocks(data, offset + 2)
            elif data[offset] == IMAGE:
                offset += 10 + colour_table_size(data[offset + 9])
                start, offset = offset, skip_blocks(data, offset + 1)
                if not is_one_image(data, start):
                    return delays, False
                delays.append(delay)
                delay = Fraction(0)
            else:
                return delays, False
    except IndexError:
        return delays, False
    return delays, not data[offset + 1 :].strip(b"\0\r\n")


def colour_table_size(flags: int) -> int:
    """Bytes of the colour table that the flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def skip_blocks(data: bytes, offset: int) -> int:
    """The offset after a chain of blocks, each of which begins with its length. Raises IndexError if none ends it."""
    while length := data[offset]:
        offset += 1 + length
    return offset + 1


def is_one_image(data: bytes, offset: int) -> bool:
    """False if LZW data goes on after its end code. Damage that joins two images causes that.

    Encoders fill every block but the last. So the codes are read only where an earlier block is shorter.
    """
    depth, blocks = data[offset], []
    offset += 1
    while length := data[offset]:
        blocks.append(data[offset + 1 : offset + 1 + length])
        offset += 1 + length
    even = all(len(block) == len(blocks[0]) for block in blocks[:-1])
    return even or find_end_code(b"".join(blocks), depth) >= sum(map(len, blocks)) - 2  # encoders may pad


def find_end_code(pixels: bytes, depth: int) -> int:
    """The index of the byte that completes the end code of an LZW stream, or the number of bytes without one."""
    clear = 1 << depth
    bits, width, known = 0, depth + 1, clear + 1
    while bits + width <= 8 * len(pixels):
        first = bits >> 3
        code = int.from_bytes(pixels[first : first + 3], "little") >> (bits & 7) & (1 << width) - 1
        bits += width
        if code == clear + 1:
            return (bits - 1) >> 3
        known = clear + 1 if code == clear else min(known + 1, 4096)
        width = depth + 1 if code == clear else min(12, max(width, known.bit_length()))
    return len(pixels)
