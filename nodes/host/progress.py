"""Progress of the core on the host's progress bar; its update is also what makes Cancel work."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import comfy.utils
from PIL import Image, ImageDraw, ImageFont

CURVE_SIZE = (384, 192)
CURVE_EVERY = 10


class LearningProgress:
    """A callback for `fit` that shows the loss as a curve while it learns, and validation losses as dots on it."""

    def __init__(self, steps: int):
        self.steps, self.bar = steps, comfy.utils.ProgressBar(steps)
        self.losses: list[float] = []
        self.looks: dict[int, float] = {}

    def __call__(self, step: int, loss: float) -> None:
        if step == 1:  # also when learning began again
            self.losses, self.looks = [], {}
        self.losses.append(loss)
        shown = step % CURVE_EVERY == 0 or step == self.steps
        picture = ("JPEG", draw_curve(self.losses, self.steps, self.looks), CURVE_SIZE[0]) if shown else None
        self.bar.update_absolute(step, self.steps, picture)

    def validated(self, step: int, loss: float) -> None:
        self.looks[step] = loss


def sampling_progress(steps: int) -> Callable[[int, int], None]:
    bar = comfy.utils.ProgressBar(steps)
    return lambda step, total: bar.update_absolute(step, total)


def draw_curve(losses: list[float], steps: int, looks: Mapping[int, float] | None = None) -> Image.Image:
    """The running mean of the loss, from left to right as far as learning is. looks: validation losses by step."""
    looks = looks or {}
    width, height = CURVE_SIZE
    image = Image.new("RGB", CURVE_SIZE, (32, 32, 36))
    means, mean = [], losses[0]
    for loss in losses:
        mean += 0.1 * (loss - mean)
        means.append(mean)
    top = max(*means, *looks.values(), 0.0) or 1.0

    def place(step: int, loss: float) -> tuple[float, float]:
        return 8 + (width - 16) * (step - 1) / max(1, steps - 1), height - 8 - (height - 16) * loss / top

    points = [place(step, mean) for step, mean in enumerate(means, 1)]
    draw = ImageDraw.Draw(image)
    if len(points) > 1:
        draw.line(points, fill=(120, 200, 255), width=2)
    for x, y in (place(step, loss) for step, loss in looks.items()):
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=(255, 170, 80))
    said = f"loss {means[-1]:.4f}   step {len(losses)} of {steps}"
    if looks:
        said = f"validation {list(looks.values())[-1]:.4f}   {said}"
    draw.text((width - 12, 8), said, fill=(230, 230, 230), anchor="ra", font=ImageFont.load_default(18))
    return image
