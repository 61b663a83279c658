"""Goes downhill: the part of learning that is the same whatever is learnt."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import MotionError, OptionError
from .averaging import Steadiness

Callback = Callable[[int, float], bool | None]
"""Called after each step with its number (from 1) and loss; True ends learning and keeps what was learnt."""
Losses = Generator[tuple[Tensor, Sequence[Tensor]], None, None]
"""The losses of one step, each with the tensors that it is to change; the next is made when the last is done with."""


@dataclass(frozen=True)
class Descent:
    """AdamW. steps: how many; clip_norm: the longest gradient (0: any); steady: see `motion_core.steadiness`. Raises
    OptionError.
    """

    steps: int = 400
    learning_rate: float = 2e-2
    weight_decay: float = 1e-2
    clip_norm: float = 0.0
    steady: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 100_000:
            raise OptionError(f"steps is {self.steps}; choose 1 to 100000 (400 is usual)")
        if not (math.isfinite(self.learning_rate) and 0 < self.learning_rate <= 10):
            raise OptionError(f"learning_rate is {self.learning_rate}; choose above 0 and up to 10 (0.02 is usual)")
        for name in ("weight_decay", "clip_norm"):
            if not 0 <= getattr(self, name) < math.inf:
                raise OptionError(f"{name} is {getattr(self, name)}; choose 0 or more")

    def __str__(self) -> str:
        clipped = f", gradient clipped at {self.clip_norm:g}" if self.clip_norm else ""
        steady = ", gradients cut to their median length, the last steps averaged" if self.steady else ""
        return f"AdamW, betas 0.9 and 0.999, eps 1e-8, weight decay {self.weight_decay:g}{clipped}{steady}"

    def optimiser(self, parameters: Sequence[Tensor]) -> torch.optim.AdamW:
        return torch.optim.AdamW(
            parameters,
            lr=self.learning_rate,
            betas=(0.9, 0.999),
            eps=1e-8,
            weight_decay=self.weight_decay,
            fused=parameters[0].is_cuda or None,  # which a GradScaler need not wait for
        )

    def follow(
        self,
        parameters: Sequence[Tensor],
        draw: Callable[[], Losses],
        half: bool,
        callback: Callback | None = None,
        look: Callable[[int], bool] | None = None,
        look_every: int = 1,
    ) -> list[float]:
        """Take the steps; gives the loss of each. half: whether the model is in fp16, where gradients vanish unscaled;
        look: called after every so many steps with the number of the last one, when the parameters are what learning
        would give if it ended there; True ends.

        On a GPU losses are read a step late, so that it never waits to be looked at. Raises MotionError when a loss
        is not finite.
        """
        device = parameters[0].device
        for parameter in parameters:
            parameter.requires_grad_()
        optimiser = self.optimiser(parameters)
        scaler = torch.amp.GradScaler(device.type, enabled=half)
        told, silent = _Told(callback, lag_on(device)), False
        steadiness = Steadiness(parameters) if self.steady else None
        for step in range(1, self.steps + 1):
            optimiser.zero_grad(set_to_none=True)
            told.begin()
            with closing(draw()) as losses:
                for loss, changed in losses:
                    told.note(loss)
                    scaler.scale(loss).backward(inputs=list(changed))
            self._move(parameters, optimiser, scaler, steadiness)
            silent = ended = told.tell()  # silent: who is told wants to hear no more
            if look is not None and step % look_every == 0:
                with steadiness.given() if steadiness else nullcontext():
                    ended = look(step) or ended
            if ended:
                break
        if steadiness:
            steadiness.give()
        return told.finish(silent)

    def _move(
        self,
        parameters: Sequence[Tensor],
        optimiser: torch.optim.AdamW,
        scaler: torch.amp.GradScaler,
        steadiness: Steadiness | None,
    ) -> None:
        """By the gradient that is there, made no longer than is allowed."""
        if self.clip_norm or steadiness:
            scaler.unscale_(optimiser)
        if self.clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        if steadiness:
            steadiness.shorten()
        scaler.step(optimiser)
        scaler.update()
        if steadiness:
            steadiness.note()


def lag_on(device: torch.device) -> int:
    """How many steps late a loss is read, so that the device never waits for being looked at."""
    return 1 if device.type == "cuda" else 0


class _Told:
    """The losses of the steps, read when they are there, and told to the callback."""

    def __init__(self, callback: Callback | None, lag: int):
        self.callback, self.lag = callback, lag
        self.waiting: deque[list[Callable[[], float]]] = deque()
        self.losses: list[float] = []

    def begin(self) -> None:
        self.waiting.append([])

    def note(self, loss: Tensor) -> None:
        """A loss of the step that has begun. Raises MotionError when it is read at once and is not finite."""
        step = len(self.losses) + len(self.waiting)
        if self.lag:
            self.waiting[-1].append(_read_later(loss, step))
        else:
            number = _require_finite(loss.item(), step)
            self.waiting[-1].append(lambda: number)

    def tell(self) -> bool:
        """At the end of a step; True once the callback says so. Raises MotionError as `note` does."""
        ended = False
        while len(self.waiting) > self.lag and not ended:
            self.losses.append(sum(read() for read in self.waiting.popleft()))
            ended = bool(self.callback is not None and self.callback(len(self.losses), self.losses[-1]))
        return ended

    def finish(self, ended: bool) -> list[float]:
        """The losses of all steps. ended: the callback wants to hear no more."""
        self.lag, self.callback = 0, None if ended else self.callback
        self.tell()
        return self.losses


def _read_later(loss: Tensor, step: int) -> Callable[[], float]:
    """Sets a copy on its way; what is given waits for that and for nothing that was begun after it."""
    copy = loss.detach().to("cpu", non_blocking=True)
    there = torch.cuda.Event() if loss.is_cuda else None
    if there:
        there.record()

    def read() -> float:
        if there:
            there.synchronize()
        return _require_finite(copy.item(), step)

    return read


def _require_finite(loss: float, step: int) -> float:
    if not math.isfinite(loss):
        raise MotionError(f"the loss at step {step} is {loss}; choose a lower learning_rate")
    return loss
