"""Timing of frames, and resampling of a variable frame rate to a constant one."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import median
from typing import TypeVar

UNKNOWN_FPS = 8.0
PLAUSIBLE_FPS = (0.1, 240.0)
SHORTEST_DELAY = Fraction(1, 100)
DEFAULT_DELAY = Fraction(1, 10)

T = TypeVar("T")


@dataclass(frozen=True)
class Timeline:
    """The times at which a file shows its frames.

    starts: in seconds, ascending; last_duration: of the last frame in seconds, 0 if unknown; nominal_fps: the rate in
    the file's header, 0 if there is none; tick: the file's unit of time in seconds.
    """

    starts: Sequence[Fraction]
    last_duration: Fraction
    nominal_fps: Fraction = Fraction(0)
    tick: Fraction = Fraction(0)
    length: Fraction = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", self._measure_length())

    def _measure_length(self) -> Fraction:
        """Seconds from the start of the first frame to the end of the last.

        A last frame of less than half the median duration counts with the median duration.
        """
        if len(self.starts) < 2:
            return self.last_duration
        usual = median(after - before for before, after in zip(self.starts, self.starts[1:], strict=False))
        last = self.last_duration if self.last_duration >= usual / 2 else usual
        return self.starts[-1] + last - self.starts[0]

    @property
    def is_constant(self) -> bool:
        """Whether all frames follow the nominal rate, apart from rounding to ticks."""
        if not self.nominal_fps:
            return False
        step = 1 / self.nominal_fps
        tolerance = max(self.tick, step / 100)
        drift = self.length - len(self.starts) * step
        return abs(drift) < max(tolerance, step / 2) and all(
            abs(start - self.starts[0] - number * step) <= tolerance for number, start in enumerate(self.starts)
        )

    @property
    def fps(self) -> float:
        """Frames per second: the nominal rate if it is constant, else the mean; 8 if that is implausible."""
        mean = len(self.starts) / self.length if self.length > 0 else 0
        fps = float(self.nominal_fps if self.is_constant else mean)
        return fps if PLAUSIBLE_FPS[0] <= fps <= PLAUSIBLE_FPS[1] else UNKNOWN_FPS

    def count_repeats(self) -> list[int]:
        """For each frame, how often it is shown at a constant rate: once each if the rate is constant already.

        The constant rate is the mean rate, so the number of frames stays the same. Each new frame is the one that the
        file shows at the middle of its interval; there, rounding of times does not change which frame that is.
        """
        count = len(self.starts)
        mean = count / self.length if self.length > 0 else 0
        if self.is_constant or not PLAUSIBLE_FPS[0] <= mean <= PLAUSIBLE_FPS[1]:
            return [1] * count
        repeats = [0] * count
        offsets = [float(start - self.starts[0]) for start in self.starts]
        step = float(self.length) / count
        for number in range(count):
            repeats[bisect_right(offsets, (number + 0.5) * step) - 1] += 1
        return repeats


def repeat_frames(frames: Iterable[tuple[int, T]], repeats: Sequence[int]) -> Iterator[T]:
    """Yields each frame, given with its number, as often as `repeats` says; once beyond its end."""
    for number, frame in frames:
        for _ in range(repeats[number] if number < len(repeats) else 1):
            yield frame


def build_timeline(delays: Sequence[Fraction]) -> Timeline:
    """The timeline of an animated image. delays: of each frame in seconds.

    As in browsers, frames with a delay of 1/100 s or less are shown for 1/10 s.
    """
    delays = [delay if delay > SHORTEST_DELAY else DEFAULT_DELAY for delay in delays]
    starts = [sum(delays[:number], Fraction(0)) for number in range(len(delays))]
    return Timeline(starts, delays[-1] if delays else Fraction(0))
