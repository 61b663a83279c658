"""What the commands print, safe for a terminal."""

from __future__ import annotations

import logging
import sys

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
