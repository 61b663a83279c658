"""Progress of the core on the host's progress bar; its update is also what makes Cancel work."""

from __future__ import annotations

from collections.abc import Callable

import comfy.utils
from PIL import Image, ImageDraw, ImageFont

CURVE_SIZE = (384, 192)
CURVE_EVERY = 10


def learning_progress(steps: int) -> Callable[[int, float], None]:
    """A callback for `fit` that shows the loss as a curve while it learns."""
    bar = comfy.utils.ProgressBar(steps)
    losses: list[float] = []

    def update(step: int, loss: float) -> None:
        losses.append(loss)
        shown = step % CURVE_EVERY == 0 or step == steps
        bar.update_absolute(step, steps, ("JPEG", draw_curve(losses, steps), CURVE_SIZE[0]) if shown else None)

    return update


def sampling_progress(steps: int) -> Callable[[int, int], None]:
    bar = comfy.utils.ProgressBar(steps)
    return lambda step, total: bar.update_absolute(step, total)


def draw_curve(losses: list[float], steps: int) -> Image.Image:
    """The running mean of the loss, from left to right as far as learning is."""
    width, height = CURVE_SIZE
    image = Image.new("RGB", CURVE_SIZE, (32, 32, 36))
    means, mean = [], losses[0]
    for loss in losses:
        mean += 0.1 * (loss - mean)
        means.append(mean)
    top = max(means) or 1.0
    points = [
        (8 + (width - 16) * i / max(1, steps - 1), height - 8 - (height - 16) * m / top) for i, m in enumerate(means)
    ]
    draw = ImageDraw.Draw(image)
    if len(points) > 1:
        draw.line(points, fill=(120, 200, 255), width=2)
    said = f"loss {means[-1]:.4f}   step {len(losses)} of {steps}"
    draw.text((width - 12, 8), said, fill=(230, 230, 230), anchor="ra", font=ImageFont.load_default(18))
    return image
