"""A part of sampling: from start to end, 0..1."""

from ..errors import OptionError


def check_span(start: float, end: float) -> None:
    """Raises OptionError unless start and end are parts of sampling, in that order."""
    if not 0 <= start <= end <= 1:
        raise OptionError(f"start is {start} and end {end}; use 0 <= start <= end <= 1")
