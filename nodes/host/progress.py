"""Progress of the core on the host's progress bar; its update is also what makes Cancel work."""

from __future__ import annotations

from collections.abc import Callable

import comfy.utils

from .loss_curve import CURVE_SIZE, draw_curve

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
