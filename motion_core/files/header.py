"""The metadata in the header of a safetensors file, read without the rest of the file."""

from __future__ import annotations

import json
import os
from pathlib import Path

_MOST_BYTES = 2**21


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Reads the metadata of a file. It is empty where there is none, where the header is above 2 MiB, and where it is
    no header of a safetensors file.
    """
    try:
        with Path(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= _MOST_BYTES else {}
        return {name: text for name, text in header.get("__metadata__", {}).items() if isinstance(text, str)}
    except Exception:  # a hostile header can raise anything, RecursionError too
        return {}
