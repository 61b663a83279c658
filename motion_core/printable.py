"""Text that came from a file or a person, safe to show: it can't steer a terminal or pass for another line."""

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's control characters, format characters (bidi overrides among them), surrogates and line separators."""
_JOINERS = "\u200c\u200d"
"""Format characters that Persian and emoji are written with; they change the shape of their neighbours alone."""
_MOST = 1500


def printable(text: str, lines: bool = False) -> str:
    """The text with hidden characters as escapes, such as `\\x1b`. lines: whether line breaks and tabs stay."""
    if text.isprintable():
        return text
    kept = _JOINERS + ("\n\t" if lines else "")
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _HIDDEN and char not in kept else char
        for char in text
    )


def one_line(text: str) -> str:
    """A sentence in one printable line, its middle left out where a name or value of a file makes it endless."""
    line = printable(" ".join(text.splitlines()))
    return line if len(line) <= _MOST else f"{line[: _MOST - 500]} ... {line[-500:]}"
