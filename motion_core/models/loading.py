"""Loads a folder with a text-to-video model of any family that the core runs itself."""

from __future__ import annotations

from pathlib import Path

from .video_model import VideoModel
from .wan.loading import TRANSFORMER, load_wan
from .zeroscope.loading import load_model


def load_video_model(folder: Path, device: str | None = None) -> VideoModel:
    """Loads a diffusers folder of the ZeroScope family, or one with a Wan. Raises OptionError, ModelError."""
    return load_wan(folder, device) if is_wan_folder(folder) else load_model(folder, device)


def is_wan_folder(folder: Path) -> bool:
    """Whether a folder holds a Wan in the names of its own checkpoints."""
    return (folder / TRANSFORMER).is_file()
