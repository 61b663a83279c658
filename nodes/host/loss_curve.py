"""Draws the loss of training, and what a preview of it shows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ...motion_core.video.pictures.pixels import to_image

CURVE_SIZE = (384, 216)
LABEL_STRIP = 28
"""Pixels above the curve for its label."""
MARGIN = 8
COLUMNS, MOST_FRAMES = 4, 8
"""Of a preview: frames in a row, and frames that are shown of it, evenly spaced."""

GROUND, STRIP, LINE, TEXT = (32, 32, 36), (48, 48, 54), (120, 200, 255), (230, 230, 230)


def draw_curve(losses: Sequence[float], steps: int) -> Image.Image:
    """Draws the running mean of the loss, from left to right as far as training is."""
    width, height = CURVE_SIZE
    image = Image.new("RGB", CURVE_SIZE, GROUND)
    draw = ImageDraw.Draw(image)
    means = average(losses)
    top, low = max(*means, 0.0) or 1.0, height - MARGIN

    def place(step: int, loss: float) -> tuple[float, float]:
        return (
            MARGIN + (width - 2 * MARGIN) * (step - 1) / max(1, steps - 1),
            low - (low - LABEL_STRIP - MARGIN) * loss / top,
        )

    if len(means) > 1:
        draw.line([place(step, mean) for step, mean in enumerate(means, 1)], fill=LINE, width=2)
    draw.rectangle((0, 0, width, LABEL_STRIP - 1), fill=STRIP)
    draw.text((MARGIN, LABEL_STRIP / 2), f"loss {means[-1]:.4f}", fill=LINE, anchor="lm", font=_font())
    position = f"step {len(losses)} of {steps}"
    draw.text((width - MARGIN, LABEL_STRIP / 2), position, fill=TEXT, anchor="rm", font=_font())
    return image


def average(losses: Sequence[float]) -> list[float]:
    """Returns the running mean of the loss after each step."""
    means, mean = [], losses[0]
    for loss in losses:
        mean += 0.1 * (loss - mean)
        means.append(mean)
    return means


def put_frames_below(curve: Image.Image, frames: Tensor) -> Image.Image:
    """Draws frames of a preview, (N, H, W, 3) floats of 0..1, below the curve, in the order in which they are read."""
    numbers = torch.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames))).round().long().tolist()
    pictures = [to_image(frames[number]) for number in numbers]
    pitch = (curve.width - MARGIN) // COLUMNS
    width = pitch - MARGIN
    height = max(1, round(width * pictures[0].height / pictures[0].width))
    rows = -(-len(pictures) // COLUMNS)
    image = Image.new("RGB", (curve.width, curve.height + rows * (height + MARGIN)), GROUND)
    image.paste(curve, (0, 0))
    for place, picture in enumerate(pictures):
        row, column = divmod(place, COLUMNS)
        corner = MARGIN + column * pitch, curve.height + row * (height + MARGIN)
        image.paste(picture.resize((width, height), Image.Resampling.BICUBIC), corner)
    return image


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(14)
