"""Any motion file of ours, whatever was learnt in it."""

from __future__ import annotations

import os

from ..files.tensor_file import read_format
from . import adapter_file
from .adapter import Adapter
from .embedding import MotionEmbedding

Motion = MotionEmbedding | Adapter


def read_motion(path: str | os.PathLike[str]) -> Motion:
    """A motion embedding or an adapter, as its file says. Raises FileError, one sentence for what is wrong."""
    kind = Adapter if read_format(path) == adapter_file.KIND.format else MotionEmbedding
    return kind.load(path)
