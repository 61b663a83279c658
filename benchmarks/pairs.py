"""Two ways of doing one thing, timed in turn in one process: medians and the spread of the ratio."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median, quantiles


def describe_pairs(first: Sequence[float], second: Sequence[float], names: tuple[str, str]) -> str:
    """One line: the median processor seconds of each, and what the second costs more, pair by pair, with quartiles."""
    extra = [100 * (b / a - 1) for a, b in zip(first, second, strict=True)]
    low, middle, high = quantiles(extra, n=4)
    return (
        f"{names[0]} {median(first):.3f} s, {names[1]} {median(second):.3f} s: {middle:+.2f} % "
        f"(quartiles {low:+.2f} to {high:+.2f}, {len(extra)} pairs)"
    )
