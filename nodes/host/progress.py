"""Shows the core's progress on the host's progress bar. Its update is also what makes Cancel work."""

from __future__ import annotations

from collections.abc import Callable

import comfy.utils

from .loss_curve import CURVE_SIZE, draw_curve

CURVE_EVERY = 10


class TrainingProgress:
    """A callback of training that shows the loss as a curve."""

    def __init__(self, steps: int):
        self.steps, self.bar = steps, comfy.utils.ProgressBar(steps)
        self.losses: list[float] = []

    def __call__(self, step: int, loss: float) -> None:
        if step == 1:  # also when training has begun again
            self.losses = []
        self.losses.append(loss)
        shown = step % CURVE_EVERY == 0 or step == self.steps
        picture = ("JPEG", draw_curve(self.losses, self.steps), CURVE_SIZE[0]) if shown else None
        self.bar.update_absolute(step, self.steps, picture)


def sampling_progress(steps: int) -> Callable[[int, int], None]:
    """Returns a callback of sampling."""
    bar = comfy.utils.ProgressBar(steps)
    return lambda step, total: bar.update_absolute(step, total)
