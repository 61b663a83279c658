"""What the commands print: safe for a terminal, in any encoding."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ..printable import one_line, printable


def say(text: str) -> None:
    """Print lines to stdout; whatever a file put into them can't steer the terminal."""
    print(printable(text, lines=True))


def complain(text: str) -> None:
    """Print one line to stderr."""
    print(one_line(text), file=sys.stderr)


class LogHandler(logging.StreamHandler):
    """Log lines on stderr, as safe as the rest."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), lines=True)


@contextmanager
def any_encoding() -> Iterator[None]:
    """Within the block, a character that a stream's encoding lacks is printed as an escape, and is no error."""
    with ExitStack() as before:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper) and stream.errors is not None:
                before.callback(stream.reconfigure, errors=stream.errors)
                stream.reconfigure(errors="backslashreplace")
        yield
