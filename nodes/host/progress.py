"""Shows the core's progress on the host's progress bar. Its update is also what makes Cancel work."""

from __future__ import annotations

import time
from collections.abc import Callable

import comfy.utils
from PIL import Image
from server import PromptServer
from torch import Tensor

from .loss_curve import average, draw_curve, put_frames_below

CURVE_EVERY = 10
TEXT_EVERY = 0.5
"""Seconds between two lines of text."""


class TrainingProgress:
    """A callback of training that shows a line of text, and the loss as a curve above the frames of a preview.

    steps: of the training; node: the id of the node that shows it.
    """

    def __init__(self, steps: int, node: str):
        self.steps, self.node = steps, node
        self.bar = comfy.utils.ProgressBar(steps)
        self.losses: list[float] = []
        self.frames: Tensor | None = None
        self.memory = ""
        self.began = self.shown = 0.0

    def begin(self, memory: str) -> None:
        """Begins, or begins again, in a memory mode."""
        self.memory, self.losses = memory, []
        self._send_text(f"{self.steps} steps left, memory {memory}")

    def __call__(self, step: int, loss: float) -> None:
        if step == 1:
            self.began = time.monotonic()
        self.losses.append(loss)
        shown = step % CURVE_EVERY == 0 or step == self.steps
        self._update(self.draw(self.steps) if shown else None)
        if time.monotonic() - self.shown >= TEXT_EVERY or step == self.steps:
            self._send_text(self._describe())

    def show_frames(self, frames: Tensor, _step: int) -> None:
        """Shows frames (N, H, W, 3) below the curve from now on."""
        self.frames = frames
        self._update(self.draw(self.steps))

    def draw(self, steps: int) -> Image.Image | None:
        """Draws what there is to see, None where there is nothing. steps: the width of the curve."""
        if not self.losses:
            return None
        curve = draw_curve(self.losses, steps)
        return curve if self.frames is None else put_frames_below(curve, self.frames)

    def _update(self, picture: Image.Image | None) -> None:
        preview = None if picture is None else ("JPEG", picture, max(picture.size))
        self.bar.update_absolute(len(self.losses), self.steps, preview)

    def _describe(self) -> str:
        done = len(self.losses)
        left = self.steps - done
        parts = [f"loss {average(self.losses)[-1]:.4f}", f"{left} of {self.steps} steps left", f"memory {self.memory}"]
        if left and done > 1:  # the first step is slower than the others
            parts.append(f"about {describe_time((time.monotonic() - self.began) / (done - 1) * left)}")
        return ", ".join(parts)

    def _send_text(self, text: str) -> None:
        self.shown = time.monotonic()
        PromptServer.instance.send_progress_text(text, self.node)


def describe_time(seconds: float) -> str:
    """A number of seconds, or of minutes from two on."""
    return f"{max(1, round(seconds))} s" if seconds < 120 else f"{round(seconds / 60)} min"


def sampling_progress(steps: int) -> Callable[[int, int], None]:
    """Returns a callback of sampling."""
    bar = comfy.utils.ProgressBar(steps)
    return lambda step, total: bar.update_absolute(step, total)
