"""What a gif holds, told from its blocks: how long each picture is shown, and whether it goes on to its end."""

from fractions import Fraction

HEADER = 13  # bytes, with the size of the screen
EXTENSION, IMAGE, END = 0x21, 0x2C, 0x3B
GRAPHIC_CONTROL = 0xF9


def survey_gif(data: bytes) -> tuple[list[Fraction], bool]:
    """Delays in seconds of the pictures that are whole, and whether the file ends after them as it should."""
    delays: list[Fraction] = []
    try:
        place = HEADER + measure_colours(data[10])
        delay = Fraction(0)
        while data[place] != END:
            if data[place] == EXTENSION:
                if data[place + 1] == GRAPHIC_CONTROL:
                    delay = Fraction(int.from_bytes(data[place + 4 : place + 6], "little"), 100)
                place = skip_blocks(data, place + 2)
            elif data[place] == IMAGE:
                place += 10 + measure_colours(data[place + 9])
                start, place = place, skip_blocks(data, place + 1)
                if not is_one_image(data, start):
                    return delays, False
                delays.append(delay)
                delay = Fraction(0)
            else:
                return delays, False
    except IndexError:
        return delays, False
    return delays, not data[place + 1 :].strip(b"\0\r\n")


def measure_colours(flags: int) -> int:
    """Bytes of the table of colours that the flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def skip_blocks(data: bytes, place: int) -> int:
    """Where a row of blocks, each with its length before it, has ended. Raises IndexError if it doesn't."""
    while length := data[place]:
        place += 1 + length
    return place + 1


def is_one_image(data: bytes, place: int) -> bool:
    """False where pixels go on after the code for their end, as where damage joined two images.

    Encoders fill every block but the last, so only images with a shorter one between are looked through.
    """
    depth, blocks = data[place], []
    place += 1
    while length := data[place]:
        blocks.append(data[place + 1 : place + 1 + length])
        place += 1 + length
    even = all(len(block) == len(blocks[0]) for block in blocks[:-1])
    return even or find_end(b"".join(blocks), depth) >= sum(map(len, blocks)) - 2  # encoders may pad


def find_end(pixels: bytes, depth: int) -> int:
    """The byte that holds the code for the end of an LZW stream, or how many bytes there are if none does."""
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
