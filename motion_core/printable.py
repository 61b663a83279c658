"""Escaping of text from files and users, so that it cannot control a terminal or forge a line of output, and can be
printed in any encoding.
"""

import io
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_JOINERS = "\u200c\u200d"
"""Zero-width joiners. Persian and emoji need them, and they only change the shape of the characters next to them."""
_MAX_LENGTH = 1500


def printable(text: str, *, lines: bool = False) -> str:
    """Replaces control characters, bidi overrides and other invisible characters by escapes such as `\\x1b`.

    lines: whether to keep line breaks and tabs.
    """
    if text.isprintable():
        return text
    kept = _JOINERS + ("\n\t" if lines else "")
    return "".join(char if _is_visible(char) or char in kept else _escape(char) for char in text)


def _is_visible(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"  # Python regards a wide space as not printable


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def one_line(text: str) -> str:
    """Reduces text to one printable line. Of a line above 1500 characters, the middle is left out."""
    line = printable(" ".join(text.splitlines()))
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH - 500]} ... {line[-500:]}"


@contextmanager
def any_encoding() -> Iterator[None]:
    """Within the block, a character that the encoding of stdout or stderr lacks is printed as an escape, and is no
    error.
    """
    with ExitStack() as before:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper) and stream.errors is not None:
                before.callback(stream.reconfigure, errors=stream.errors)
                stream.reconfigure(errors="backslashreplace")
        yield
