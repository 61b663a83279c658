"""The part of sampling in which something acts, from start to end as fractions of its steps."""

from ..errors import OptionError


def check_interval(start: float, end: float) -> None:
    """Raises OptionError unless 0 <= start <= end <= 1."""
    if not 0 <= start <= end <= 1:
        raise OptionError(f"start is {start} and end {end}; use 0 <= start <= end <= 1")


def is_within(progress: float, start: float, end: float) -> bool:
    """Whether a step at `progress` (0..1) lies in the interval. The end belongs to it only if it is 1."""
    return start <= progress and (progress < end or end == 1)
