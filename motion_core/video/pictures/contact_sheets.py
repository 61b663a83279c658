"""Contact sheets: a labelled row of frames for each clip."""

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from ...errors import OptionError
from .pixels import check_frames, to_image
from .text import BACKGROUND, draw_text

GAP = 4
TEXT_SIZE = 16


def draw_sheet(
    rows: Sequence[Tensor], labels: Sequence[str] | None = None, scale: int = 1, columns: int = 8
) -> Image.Image:
    """Draws a row of evenly spaced frames for each clip, (N, H, W, 3) floats of 0..1.

    Options: see `write_sheet`. Raises OptionError.
    """
    if not rows or scale < 1 or columns < 1:
        raise OptionError(f"rows={len(rows)}, scale={scale} and columns={columns} must each be 1 or more")
    labels = [""] * len(rows) if labels is None else labels
    if len(labels) != len(rows):
        raise OptionError(f"labels={len(labels)} and rows={len(rows)} must be as many; give one label per row")
    for clip in rows:
        check_frames(clip)
    return stack_strips([draw_strip(clip, scale, columns) for clip in rows], labels)


def draw_strip(clip: Tensor, scale: int, columns: int) -> Image.Image:
    """Draws evenly spaced frames of a clip side by side, with its first and its last frame."""
    count, height, width = clip.shape[:3]
    numbers = torch.linspace(0, count - 1, min(columns, count)).round().long().tolist()
    strip = Image.new("RGB", (len(numbers) * (width * scale + GAP) - GAP, height * scale), BACKGROUND)
    for column, number in enumerate(numbers):
        image = to_image(clip[number]).resize((width * scale, height * scale), Image.Resampling.NEAREST)
        strip.paste(image, (column * (width * scale + GAP), 0))
    return strip


def stack_strips(strips: Sequence[Image.Image], labels: Sequence[str]) -> Image.Image:
    """Places the strips below each other, each with its label to the left."""
    texts = [draw_text(label, TEXT_SIZE) for label in labels]
    margin = max(text.width for text in texts)
    left = GAP + (margin + GAP if margin else 0)
    heights = [max(strip.height, text.height) for strip, text in zip(strips, texts, strict=True)]
    width = left + max(strip.width for strip in strips) + GAP
    sheet = Image.new("RGB", (width, GAP + sum(height + GAP for height in heights)), BACKGROUND)
    top = GAP
    for strip, text, height in zip(strips, texts, heights, strict=True):
        sheet.paste(text, (GAP, top))
        sheet.paste(strip, (left, top))
        top += height + GAP
    return sheet
