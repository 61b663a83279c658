"""The loss of learning as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

CURVE_SIZE = (384, 216)
LABEL_STRIP = 28
"""Pixels above the curve for what is said of it."""
MARGIN = 8

GROUND, STRIP, LINE, DOTS, TEXT = (32, 32, 36), (48, 48, 54), (120, 200, 255), (255, 170, 80), (230, 230, 230)


def draw_curve(losses: Sequence[float], steps: int, looks: Mapping[int, float] | None = None) -> Image.Image:
    """The running mean of the loss, from left to right as far as learning is. looks: validation losses by step."""
    looks = looks or {}
    width, height = CURVE_SIZE
    image = Image.new("RGB", CURVE_SIZE, GROUND)
    draw = ImageDraw.Draw(image)
    means = _average(losses)
    top, low = max(*means, *looks.values(), 0.0) or 1.0, height - MARGIN

    def place(step: int, loss: float) -> tuple[float, float]:
        return (
            MARGIN + (width - 2 * MARGIN) * (step - 1) / max(1, steps - 1),
            low - (low - LABEL_STRIP - MARGIN) * loss / top,
        )

    if len(means) > 1:
        draw.line([place(step, mean) for step, mean in enumerate(means, 1)], fill=LINE, width=2)
    for x, y in (place(step, loss) for step, loss in looks.items()):
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=DOTS)
    draw.rectangle((0, 0, width, LABEL_STRIP - 1), fill=STRIP)
    draw.text((MARGIN, LABEL_STRIP / 2), f"loss {means[-1]:.4f}", fill=LINE, anchor="lm", font=_font())
    if looks:
        said = f"validation {list(looks.values())[-1]:.4f}"
        draw.text((width * 0.44, LABEL_STRIP / 2), said, fill=DOTS, anchor="mm", font=_font())
    said = f"step {len(losses)} of {steps}"
    draw.text((width - MARGIN, LABEL_STRIP / 2), said, fill=TEXT, anchor="rm", font=_font())
    return image


def _average(losses: Sequence[float]) -> list[float]:
    means, mean = [], losses[0]
    for loss in losses:
        mean += 0.1 * (loss - mean)
        means.append(mean)
    return means


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(14)
