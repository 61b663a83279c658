"""Progress bars on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from ..sampling.sample import Progress


class LearningBar:
    """A callback that shows the steps and a running mean of the loss, and with early stop the validation loss."""

    def __init__(self, bar: tqdm):
        self.bar = bar
        self.shown: dict[str, float] = {}

    def __call__(self, step: int, loss: float) -> None:
        if step == 1:  # also when learning began again
            self.bar.reset()
            self.shown.clear()
        self.shown["loss"] = 0.95 * self.shown.get("loss", loss) + 0.05 * loss
        self.bar.set_postfix({name: f"{number:.4f}" for name, number in self.shown.items()}, refresh=False)
        self.bar.update()

    def validated(self, _step: int, loss: float) -> None:
        self.shown["validation"] = loss


@contextmanager
def learning_bar(steps: int, label: str = "learning") -> Iterator[LearningBar]:
    with tqdm(total=steps, desc=label, unit="step") as bar:
        yield LearningBar(bar)


@contextmanager
def sampling_bar(steps: int, label: str) -> Iterator[Progress]:
    with tqdm(total=steps, desc=label, unit="step") as bar:
        yield lambda _number, _count: bar.update() and None
