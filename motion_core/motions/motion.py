"""A motion: an embedding or an adapter, whatever its file holds."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, TypeVar

from torch import Tensor

from ..files.tensor_file import read_format
from ..video.file_previews import encode_preview
from . import adapter_file
from .adapter import Adapter
from .apply_settings import merge_settings
from .embedding import MotionEmbedding

Motion = MotionEmbedding | Adapter
AnyMotion = TypeVar("AnyMotion", bound=Motion)

_FPS = 8.0
"""Of a preview, where the motion knows no frame rate."""


def read_motion(path: str | os.PathLike[str]) -> Motion:
    """Reads a motion embedding or an adapter, as its file says. Raises FileError."""
    kind = Adapter if read_format(path) == adapter_file.KIND.format else MotionEmbedding
    return kind.load(path)


def suggested_settings(motion: Motion, **chosen: Any) -> Any:
    """Returns how a motion is applied: what is chosen and not None, else what the motion suggests, else the defaults.

    Names that its kind of motion does not have are left out. Raises OptionError.
    """
    return merge_settings(motion.settings_type, motion.origin.suggestion, **chosen)


def with_preview(motion: AnyMotion, frames: Tensor) -> AnyMotion:
    """Returns the motion with a preview of frames, (N, H, W, 3) floats of 0..1, in place of the one that it has.

    It plays at the frame rate of the motion's reference. Raises OptionError.
    """
    preview = encode_preview(frames, motion.origin.fps or _FPS)
    return replace(motion, origin=replace(motion.origin, preview=preview))
