"""Reads what others saved with `torch.save`, without running anything in it."""

import re
from pathlib import Path
from typing import Any

import torch

from .errors import FileError


def read_pickle(path: Path, what: str) -> Any:
    """Tensors in plain containers. what: the file that is expected, for the sentence of the FileError."""
    if not path.is_file():
        raise FileError(f"{path} is not there; check the name")
    require_safe_torch(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)  # restricted: tensors only, runs nothing
    except Exception as reason:  # a damaged or hostile archive can fail in any way, mostly with paragraphs
        raise FileError(f"{path.name} is damaged or no {what}; get it again from where it is published") from reason


def require_safe_torch(path: Path) -> None:
    """Raises FileError before torch 2.6, whose restricted unpickler could be made to run things (CVE-2025-32434)."""
    if tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2]) < (2, 6):
        raise FileError(f"torch {torch.__version__} can't read {path.name} safely; update torch to 2.6 or later")
