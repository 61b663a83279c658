"""Lines that a suite's methods are to reach, and whether they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median, stdev

from ..errors import OptionError
from .result import Result

GAIN, WITHIN, TIMES, LEARNING = "gain", "within", "times", "learning"
PRIMARY = "fidelity"
"""The score whose gain is measured."""
_MEANINGS: dict[str, str] = {
    GAIN: "gain in motion fidelity of at least",
    WITHIN: "motion fidelity within so much of it:",
    TIMES: "sampling takes at most so many times as long:",
    LEARNING: "seconds to learn, at most",
}


@dataclass(frozen=True)
class Gain:
    """How much more a score is than another method's. error: its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:+.2f} ({self.error:.2f})"


def measure_gain(made: Sequence[Result], start: Sequence[Result], score: str = PRIMARY) -> Gain | None:
    """Measures the mean difference of a score on the same clips and takes. Returns None where none are the same.

    The standard error is that of the clips' means, since takes of one clip are alike; of one clip it is the takes'.
    """
    before = {(each.clip, each.take): each.scores[score] for each in start if score in each.scores}
    differences: dict[str, list[float]] = {}
    for each in made:
        if score in each.scores and (each.clip, each.take) in before:
            differences.setdefault(each.clip, []).append(each.scores[score] - before[each.clip, each.take])
    if not differences:
        return None
    means = [mean(values) for values in differences.values()]
    units = means if len(means) > 1 else next(iter(differences.values()))
    return Gain(mean(means), stdev(units) / len(units) ** 0.5 if len(units) > 1 else 0.0)


def check_lines(name: str, lines: Mapping[str, float]) -> None:
    """Raises OptionError for a line that is no number."""
    for what, line in lines.items():
        if isinstance(line, bool) or not isinstance(line, (int, float)):
            raise OptionError(f"line {what!r} of {name!r} is {line!r}; give a number")


def measure_line(what: str, line: float, made: Sequence[Result], start: Sequence[Result]) -> tuple[str, bool] | None:
    """Returns what was measured and whether it reaches the line, None where nothing was measured."""
    measured = _MEASURES[what](made, start) if what in _MEASURES else _mean_score(what, made)
    if measured is None:
        return None
    if what == WITHIN:
        return f"{measured:+.2f}", abs(measured) <= line
    return f"{measured:.2f}", measured <= line if what in (TIMES, LEARNING) else measured >= line


def describe_line(what: str, line: float, over: str, columns: Mapping[str, str]) -> str:
    """Describes a line in words."""
    beside = f" (beside {over})" if what in (GAIN, WITHIN, TIMES) and over else ""
    return f"{_MEANINGS.get(what, f'{columns.get(what, what)} of at least')} {line:g}{beside}"


def _mean_score(score: str, made: Sequence[Result]) -> float | None:
    values = [each.scores[score] for each in made if score in each.scores]
    return mean(values) if values else None


def _mean_gain(made: Sequence[Result], start: Sequence[Result]) -> float | None:
    gain = measure_gain(made, start)
    return None if gain is None else gain.value


def _times(made: Sequence[Result], start: Sequence[Result]) -> float | None:
    if not made or not start:
        return None
    return median(each.seconds for each in made) / median(each.seconds for each in start)


def _learning(made: Sequence[Result], start: Sequence[Result]) -> float | None:
    seconds = [each.learnt["seconds"] for each in made if each.learnt]
    return median(seconds) if seconds else None


_MEASURES: dict[str, Callable[[Sequence[Result], Sequence[Result]], float | None]] = {
    GAIN: _mean_gain,
    WITHIN: _mean_gain,
    TIMES: _times,
    LEARNING: _learning,
}
