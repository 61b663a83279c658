"""Files saved with `torch.save`, read without executing code in them."""

import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from ..errors import FileError
from .reading import reading

_WRAPPER = "module."


def read_pickle(path: Path, noun: str) -> Any:
    """Reads tensors in plain containers. noun: what error sentences call the file. Raises FileError."""
    with reading(path, noun):
        require_safe_torch(path)
        _check_archive(path)
        try:
            return torch.load(path, map_location="cpu", weights_only=True)  # executes no code
        except Exception as reason:  # torch's own message advises to turn the restriction off
            raise FileError(f"{path.name} is damaged or no {noun}; download it again") from reason


def without_wrapper(key: str) -> str:
    """A key without the `module.` prefixes that DataParallel adds, one for each wrapping."""
    while key.startswith(_WRAPPER):
        key = key.removeprefix(_WRAPPER)
    return key


def _check_archive(path: Path) -> None:
    """Raises FileError if a checksum of the zip archive differs, or its entries are larger than the file.

    torch has saved uncompressed zip archives since 1.6. It does not compare their checksums when it reads them.
    """
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
            raise FileError(
                f"{path.name} is compressed, and torch saves files uncompressed; save it again with torch.save"
            )
        if archive.testzip():
            raise FileError(f"{path.name} is damaged: a checksum in it differs; download it again")


def require_safe_torch(path: Path) -> None:
    """Raises FileError for torch before 2.6, whose restricted unpickler can be made to run code (CVE-2025-32434)."""
    if tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2]) < (2, 6):
        raise FileError(f"torch {torch.__version__} can't read {path.name} safely; update torch to 2.6 or later")
