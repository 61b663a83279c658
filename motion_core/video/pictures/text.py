"""Text in pictures, in the font that comes with Pillow."""

import math
import textwrap
from functools import cache

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

BACKGROUND: Colour = (24, 24, 24)
TEXT_COLOUR: Colour = (230, 230, 230)
BITMAP_SIZE = 11
"""Height in pixels of Pillow's bitmap font, which has only this size."""


def draw_text(text: str, size: int, colour: Colour = TEXT_COLOUR, width: int = 0) -> Image.Image:
    """Draws the lines of a text in a picture at least `width` pixels wide. size: of the font, in pixels."""
    mask = _draw_mask(text, size)
    image = Image.new("RGB", (max(width, mask.width), mask.height), BACKGROUND)
    image.paste(colour, (0, 0), mask)
    return image


def wrap(text: str, size: int, width: int, fewest: int = 1) -> str:
    """Breaks a text into lines of at most `width` pixels, or of `fewest` characters where these are wider."""
    for characters in range(len(text), fewest, -1):
        lines = textwrap.fill(text, characters)
        if measure(lines, size) <= width:
            return lines
    return textwrap.fill(text, fewest)


def measure(text: str, size: int) -> int:
    """Width in pixels of the widest line of a text."""
    font, scale = _load_font(size)
    return scale * math.ceil(max((font.getbbox(line)[2] for line in _list_lines(text, font)), default=0))


def _draw_mask(text: str, size: int) -> Image.Image:
    """Draws a text in white on black, with 8 bits a pixel."""
    font, scale = _load_font(size)
    lines = _list_lines(text, font)
    height = math.ceil(1.25 * size / scale)
    mask = Image.new("L", (measure(text, size) // scale, height * len(lines)))
    for number, line in enumerate(lines):
        ImageDraw.Draw(mask).text((0, number * height), line, fill=255, font=font)
    return mask.resize((mask.width * scale, mask.height * scale), Image.Resampling.NEAREST) if lines else mask


@cache
def _load_font(size: int) -> tuple[Font, int]:
    """Pillow's font, and by how much what it draws is to be enlarged."""
    try:
        return ImageFont.load_default(size), 1
    except (TypeError, ImportError):  # Pillow before 10.1, or one built without FreeType
        return ImageFont.load_default(), max(1, round(size / BITMAP_SIZE))


def _list_lines(text: str, font: Font) -> list[str]:
    """The lines of a text, with a question mark for each character that the bitmap font refuses."""
    if isinstance(font, ImageFont.ImageFont):
        text = text.encode("latin-1", "replace").decode("latin-1")
    return text.splitlines()
