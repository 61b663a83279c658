"""When a clip shows its frames, and the same clip at one constant rate."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import median
from typing import TypeVar

UNKNOWN_FPS = 8.0
SANE_FPS = (0.1, 240.0)
SHORTEST_DELAY = Fraction(1, 100)
USUAL_DELAY = Fraction(1, 10)

T = TypeVar("T")


@dataclass(frozen=True)
class Timeline:
    """starts: when each frame is shown, in seconds, ascending; last: how long the last one is shown, 0 if not told.

    told: frames a second that the file tells, 0 if it tells none; tick: the unit that the file counts time in.
    """

    starts: Sequence[Fraction]
    last: Fraction
    told: Fraction = Fraction(0)
    tick: Fraction = Fraction(0)
    length: Fraction = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", self._measure())

    def _measure(self) -> Fraction:
        """Seconds from the first frame to the end of the last, which lasts about as long as the others or longer."""
        if len(self.starts) < 2:
            return self.last
        usual = median(after - before for before, after in zip(self.starts, self.starts[1:], strict=False))
        last = self.last if self.last >= usual / 2 else usual
        return self.starts[-1] + last - self.starts[0]

    @property
    def is_even(self) -> bool:
        """Every frame is shown at its place in the rate that the file tells, but for the rounding to ticks."""
        if not self.told:
            return False
        step = 1 / self.told
        slack = max(self.tick, step / 100)
        late = self.length - len(self.starts) * step
        return abs(late) < max(slack, step / 2) and all(
            abs(start - self.starts[0] - number * step) <= slack for number, start in enumerate(self.starts)
        )

    @property
    def fps(self) -> float:
        """Frames a second: the told rate where all frames follow it, else the mean; 8 where that is absurd."""
        mean = len(self.starts) / self.length if self.length > 0 else 0
        fps = float(self.told if self.is_even else mean)
        return fps if SANE_FPS[0] <= fps <= SANE_FPS[1] else UNKNOWN_FPS

    def count_turns(self) -> list[int]:
        """For each frame, how many frames of the constant rate show it: one each where the rate is constant.

        The constant rate is the mean, and so there are as many frames as before. Each is the one that the file
        shows in the middle of its turn, which the rounding of times doesn't move to another frame.
        """
        count = len(self.starts)
        mean = count / self.length if self.length > 0 else 0
        if self.is_even or not SANE_FPS[0] <= mean <= SANE_FPS[1]:
            return [1] * count
        turns = [0] * count
        offsets = [float(start - self.starts[0]) for start in self.starts]
        step = float(self.length) / count
        for number in range(count):
            turns[bisect_right(offsets, (number + 0.5) * step) - 1] += 1
        return turns


def repeat(frames: Iterable[tuple[int, T]], turns: Sequence[int]) -> Iterator[T]:
    """Each frame, given with its number, as many times as it has turns."""
    for number, frame in frames:
        for _ in range(turns[number] if number < len(turns) else 1):
            yield frame


def lay_out(delays: Sequence[Fraction]) -> Timeline:
    """Of an animated picture, from how long it shows each frame in seconds; too short ones last as in browsers."""
    delays = [delay if delay > SHORTEST_DELAY else USUAL_DELAY for delay in delays]
    starts = [sum(delays[:number], Fraction(0)) for number in range(len(delays))]
    return Timeline(starts, delays[-1] if delays else Fraction(0))
