"""Reads what others saved with `torch.save`, without running anything in it."""

import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from ..errors import FileError
from .reading import reading

_WRAPPER = "module."


def read_pickle(path: Path, what: str) -> Any:
    """Tensors in plain containers. what: the file that is expected, for the sentence of the FileError."""
    with reading(path, what):
        require_safe_torch(path)
        _check_archive(path)
        try:
            return torch.load(path, map_location="cpu", weights_only=True)  # restricted: tensors only, runs nothing
        except Exception as reason:  # its paragraphs advise to read the file without the restriction
            raise FileError(f"{path.name} is damaged or no {what}; get it again from where it is published") from reason


def without_wrapper(key: str) -> str:
    """A key without the `module.` that DataParallel puts before it, once for each time it is wrapped."""
    while key.startswith(_WRAPPER):
        key = key.removeprefix(_WRAPPER)
    return key


def _check_archive(path: Path) -> None:
    """torch has saved zip archives since 1.6: uncompressed, with a checksum of each entry, which torch does not check.

    Raises FileError where one differs, or where the entries are larger than the file.
    """
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
            raise FileError(f"{path.name} is compressed, as torch saves no file; save it again with torch.save")
        if archive.testzip():
            raise FileError(f"{path.name} is damaged: a checksum in it differs; download it again")


def require_safe_torch(path: Path) -> None:
    """Raises FileError before torch 2.6, whose restricted unpickler could be made to run things (CVE-2025-32434)."""
    if tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2]) < (2, 6):
        raise FileError(f"torch {torch.__version__} can't read {path.name} safely; update torch to 2.6 or later")
