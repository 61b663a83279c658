"""Adapters from files of any of the formats that people have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...motion_core.errors import FileError
from ...motion_core.files.pickle_file import read_pickle
from ...motion_core.files.tensor_file import SUFFIX, read_format
from ...motion_core.formats.motion_director import read_motion_director
from ...motion_core.formats.motion_lora import read_motion_lora
from ...motion_core.motions import adapter_file
from ...motion_core.motions.adapter import Adapter
from .video_model import find_attention_owner


def load_adapter(path: Path, model: Any = None) -> Adapter:
    """A file of ours, a motion LoRA, or a list of MotionDirector's, for which the MODEL is needed. Raises FileError."""
    if path.suffix.lower() == SUFFIX:
        ours = read_format(path) == adapter_file.KIND.format
        return Adapter.load(path) if ours else read_motion_lora(path)
    if not isinstance(read_pickle(path, "motion LoRA or list of MotionDirector's"), list):
        return read_motion_lora(path)
    if model is None:
        raise FileError(
            f"{path.name} is no motion LoRA; if it is a file of MotionDirector's, which names no layers, connect "
            "the model"
        )
    return read_motion_director(path, find_attention_owner(model.model.diffusion_model))
