"""The preview in the metadata of a motion file, where ModelSpec keeps a model's thumbnail: a data URL of a WebP."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from ..video.file_previews import MOST_BYTES, count_preview_frames

KEY = "modelspec.thumbnail"
_START = "data:image/webp;base64,"
_MOST_CHARACTERS = len(_START) + 4 * -(-MOST_BYTES // 3)


def describe_preview(preview: bytes) -> dict[str, str]:
    """Returns the metadata of a preview; nothing where it is empty."""
    return {KEY: _START + base64.b64encode(preview).decode()} if preview else {}


def read_preview(about: Mapping[str, str]) -> bytes:
    """Returns the preview in a file's metadata. It is empty where there is none, and for anything but a small WebP:
    another kind of data, wrong base64, more than 100 kB.
    """
    url = about.get(KEY, "")
    if not url.startswith(_START) or len(url) > _MOST_CHARACTERS:
        return b""
    try:
        data = base64.b64decode(url.removeprefix(_START), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if count_preview_frames(data) else b""
