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
                place = skip_blocks(data, place + 1)
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
