"""Text that came from a file or a person, safe to show: it can't steer a terminal or pass for another line."""

import unicodedata

_JOINERS = "\u200c\u200d"
"""Invisible characters that Persian and emoji are written with; they change the shape of their neighbours alone."""
_MOST = 1500


def printable(text: str, lines: bool = False) -> str:
    """The text with escapes, such as `\\x1b`, for controls, bidi overrides and all else that is not seen as it is.

    lines: whether line breaks and tabs stay.
    """
    if text.isprintable():
        return text
    kept = _JOINERS + ("\n\t" if lines else "")
    return "".join(char if _is_seen(char) or char in kept else _escape(char) for char in text)


def _is_seen(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"  # Python counts a wide space as not printable


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def one_line(text: str) -> str:
    """A sentence in one printable line, its middle left out where a name or value of a file makes it endless."""
    line = printable(" ".join(text.splitlines()))
    return line if len(line) <= _MOST else f"{line[: _MOST - 500]} ... {line[-500:]}"
