"""Names of files as widgets and graphs hold them: relative, with `/` between folders, and the same on every system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import chain, count

_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|com[\d\xb9\xb2\xb3]|lpt[\d\xb9\xb2\xb3])\s*(?:\..*)?", re.IGNORECASE
)
"""Names that Windows keeps for itself, with any suffix."""
_FORBIDDEN = '<>"|?*'
"""What no name on Windows has. A file of another system may have it, so only new files are refused for it."""
_LONGEST = 230
"""Bytes of a name: systems take 255, and saving adds a number and a suffix."""
_CONTROLS = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of what no file should have in its name: controls, half characters, line separators."""


def with_slashes(name: str) -> str:
    """Returns the name with `/` between folders. The host lists it with Windows' own separator there."""
    return name.replace("\\", "/")


def is_plain(name: str) -> bool:
    """Whether every system takes it as the name of a file, with folders before it or none."""
    shown = not any(unicodedata.category(char) in _CONTROLS for char in name)
    return shown and ":" not in name and all(map(_is_file_name, with_slashes(name).split("/")))


def _is_file_name(part: str) -> bool:
    """Windows drops dots and spaces at an end, and has its devices in every folder."""
    return 0 < len(part.encode()) <= _LONGEST and part.rstrip(". ") == part and not _DEVICE.fullmatch(part)


def find_forbidden(name: str) -> str:
    """Returns the first character that Windows takes in no name, or nothing."""
    return next((char for char in name if char in _FORBIDDEN), "")


def without_suffix(name: str, suffix: str) -> str:
    """Returns the name without a suffix, in whatever case it is written."""
    return name[: -len(suffix)] if name.lower().endswith(suffix) else name


def free_name(stem: str, suffix: str, taken: Iterable[str]) -> str:
    """Returns `stem` with the suffix, and with a number where that is taken.

    Names that differ in case only, or in how an accent is stored, are one: Windows and macOS keep them in one file.
    """
    known = {_as_stored(name) for name in taken}
    numbered = (f"{each}{suffix}" for each in chain([stem], (f"{stem}_{number:02}" for number in count(2))))
    return next(name for name in numbered if _as_stored(name) not in known)


def _as_stored(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
