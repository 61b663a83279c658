"""Callbacks that report progress, and progress bars on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

Progress = Callable[[int, int], None]
"""Called after each step of sampling or inversion with its number (from 1) and how many there are."""

TrainingCallback = Callable[[int, float], bool | None]
"""Called after each training step with its number (from 1) and loss. True ends training and keeps what it has."""


@contextmanager
def training_bar(steps: int, label: str = "learning") -> Iterator[TrainingCallback]:
    """Yields a callback that shows the steps and a running mean of the loss."""
    with tqdm(total=steps, desc=label, unit="step") as bar:
        mean = 0.0

        def show(step: int, loss: float) -> None:
            nonlocal mean
            if step == 1:  # also when training has begun again
                bar.reset()
                mean = loss
            mean += 0.05 * (loss - mean)
            bar.set_postfix({"loss": f"{mean:.4f}"}, refresh=False)
            bar.update()

        yield show


@contextmanager
def sampling_bar(steps: int, label: str) -> Iterator[Progress]:
    """Yields a callback that shows the steps."""
    with tqdm(total=steps, desc=label, unit="step") as bar:
        yield lambda _number, _count: bar.update() and None
