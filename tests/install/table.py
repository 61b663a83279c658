"""What was checked, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Table:
    """Prints a line for each check as it is made. failed: how many did not pass."""

    def __init__(self) -> None:
        self.failed = 0

    def add(self, what: str, passed: bool, detail: str = "") -> None:
        self.failed += not passed
        print(f"{'ok  ' if passed else 'FAIL'}  {what}{': ' + detail if detail else ''}", flush=True)

    @contextmanager
    def guarding(self, what: str) -> Iterator[None]:
        """Makes a failed assertion in the block one failed check, so that the next ones are still made."""
        try:
            yield
        except (AssertionError, OSError, KeyError) as reason:
            self.add(what, False, f"{type(reason).__name__} {reason}")
