"""The training loop, the same for whatever is trained."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing

import torch
from torch import Tensor

from ..errors import MotionError
from ..progress import TrainingCallback
from ..recipes.optimizer_settings import OptimizerSettings
from .averaging import ClippingAndAveraging, NoStabilizer, Stabilizer

Losses = Generator[tuple[Tensor, Sequence[Tensor]], None, None]
"""The losses of one step, each with the tensors that it changes. The next is computed after backward of the last."""
Observe = Callable[[int], bool]
"""Called after each step with its number, once the parameters are what training would return. True ends training."""


def minimize(
    parameters: Sequence[Tensor],
    draw_losses: Callable[[], Losses],
    settings: OptimizerSettings,
    *,
    half: bool,
    callback: TrainingCallback | None = None,
    is_due: Callable[[int], bool] = lambda step: False,
    observe: Observe = lambda step: False,
) -> list[float]:
    """Takes the steps and returns the loss of each.

    half: whether the model is in fp16, where gradients underflow unless they are scaled; is_due: whether to call
    `observe` after a step. On a GPU losses are read a step late, so that the GPU never waits for it.
    Raises MotionError when a loss is not finite.
    """
    device = parameters[0].device
    for parameter in parameters:
        parameter.requires_grad_()
    optimizer = settings.make_optimizer(parameters)
    scaler = torch.amp.GradScaler(device.type, enabled=half)
    stabilizer: Stabilizer = ClippingAndAveraging(parameters) if settings.steady else NoStabilizer()
    reader, silent = LossReader(callback, read_lag(device)), False
    for step in range(1, settings.steps + 1):
        optimizer.zero_grad(set_to_none=True)
        reader.begin_step()
        with closing(draw_losses()) as losses:
            for loss, changed in losses:
                reader.add(loss)
                scaler.scale(loss).backward(inputs=list(changed))
        if settings.clip_norm or stabilizer.unscales:
            scaler.unscale_(optimizer)
        if settings.clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
        stabilizer.before_step()
        scaler.step(optimizer)
        scaler.update()
        stabilizer.after_step()
        silent = ended = reader.report()  # silent: the callback has ended training and is not called again
        if is_due(step):
            with stabilizer.averaged():
                ended = observe(step) or ended
        if ended:
            break
    stabilizer.finish()
    return reader.finish(silent=silent)


def read_lag(device: torch.device) -> int:
    """Returns how many steps late a loss is read."""
    return 1 if device.type == "cuda" else 0


class LossReader:
    """Reads the losses of the steps when they are ready, and reports them to the callback."""

    def __init__(self, callback: TrainingCallback | None, lag: int):
        self.callback, self.lag = callback, lag
        self.waiting: deque[list[Callable[[], float]]] = deque()
        self.losses: list[float] = []

    def begin_step(self) -> None:
        self.waiting.append([])

    def add(self, loss: Tensor) -> None:
        """Adds a loss to the step. Raises MotionError when it is read at once and is not finite."""
        step = len(self.losses) + len(self.waiting)
        if self.lag:
            self.waiting[-1].append(_read_later(loss, step))
        else:
            number = _require_finite(loss.item(), step)
            self.waiting[-1].append(lambda: number)

    def report(self) -> bool:
        """Ends a step. Returns True once the callback does. Raises MotionError as `add` does."""
        ended = False
        while len(self.waiting) > self.lag and not ended:
            self.losses.append(sum(read() for read in self.waiting.popleft()))
            ended = bool(self.callback is not None and self.callback(len(self.losses), self.losses[-1]))
        return ended

    def finish(self, *, silent: bool) -> list[float]:
        """Returns the losses of all steps. silent: whether the callback is not called any more."""
        self.lag, self.callback = 0, None if silent else self.callback
        self.report()
        return self.losses


def _read_later(loss: Tensor, step: int) -> Callable[[], float]:
    """Starts a copy to the CPU. Reading waits for that copy and for nothing that was begun after it."""
    copy = loss.detach().to("cpu", non_blocking=True)
    ready = torch.cuda.Event() if loss.is_cuda else None
    if ready:
        ready.record()

    def read() -> float:
        if ready:
            ready.synchronize()
        return _require_finite(copy.item(), step)

    return read


def _require_finite(loss: float, step: int) -> float:
    if not math.isfinite(loss):
        raise MotionError(f"the loss at step {step} is {loss}; choose a lower learning_rate")
    return loss
