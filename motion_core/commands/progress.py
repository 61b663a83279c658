"""Progress bars on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from ..learning import Callback
from ..sampling import Progress


@contextmanager
def learning_bar(steps: int, label: str = "learning") -> Iterator[Callback]:
    """A callback that shows the steps and a running mean of the loss."""
    with tqdm(total=steps, desc=label, unit="step") as bar:
        mean = None

        def show(_step: int, loss: float) -> None:
            nonlocal mean
            mean = loss if mean is None else 0.95 * mean + 0.05 * loss
            bar.set_postfix(loss=f"{mean:.4f}", refresh=False)
            bar.update()

        yield show


@contextmanager
def sampling_bar(steps: int, label: str) -> Iterator[Progress]:
    with tqdm(total=steps, desc=label, unit="step") as bar:
        yield lambda _number, _count: bar.update() and None
