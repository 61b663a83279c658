"""A motion: an embedding or an adapter, whatever its file holds."""

from __future__ import annotations

import os
from typing import Any

from ..files.tensor_file import read_format
from . import adapter_file
from .adapter import Adapter
from .apply_settings import merge_settings
from .embedding import MotionEmbedding

Motion = MotionEmbedding | Adapter


def read_motion(path: str | os.PathLike[str]) -> Motion:
    """Reads a motion embedding or an adapter, as its file says. Raises FileError."""
    kind = Adapter if read_format(path) == adapter_file.KIND.format else MotionEmbedding
    return kind.load(path)


def suggested_settings(motion: Motion, **chosen: Any) -> Any:
    """Returns how a motion is applied: what is chosen and not None, else what the motion suggests, else the defaults.

    Names that its kind of motion does not have are left out. Raises OptionError.
    """
    return merge_settings(motion.settings_type, motion.origin.suggestion, **chosen)
