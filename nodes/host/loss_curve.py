"""Draws the loss of training."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

CURVE_SIZE = (384, 216)
LABEL_STRIP = 28
"""Pixels above the curve for its label."""
MARGIN = 8

GROUND, STRIP, LINE, TEXT = (32, 32, 36), (48, 48, 54), (120, 200, 255), (230, 230, 230)


def draw_curve(losses: Sequence[float], steps: int) -> Image.Image:
    """Draws the running mean of the loss, from left to right as far as training is."""
    width, height = CURVE_SIZE
    image = Image.new("RGB", CURVE_SIZE, GROUND)
    draw = ImageDraw.Draw(image)
    means = _average(losses)
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


def _average(losses: Sequence[float]) -> list[float]:
    means, mean = [], losses[0]
    for loss in losses:
        mean += 0.1 * (loss - mean)
        means.append(mean)
    return means


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(14)
