"""What a node shows on itself once it has run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io, ui
from server import PromptServer
from torch import Tensor

from ...motion_core.video import write_clip
from .loss_curve import CURVE_SIZE, draw_curve

FPS = 8.0
"""Of previews of frames whose speed is not known."""


def preview_curve(losses: Sequence[float], looks: Mapping[int, float] | None = None) -> dict[str, Any]:
    """The loss of learning that has ended, as a picture in the host's temp folder; nothing where nothing was learnt."""
    if not losses:
        return {}
    path, saved = _name_file("loss", "png", *CURVE_SIZE)
    draw_curve(losses, len(losses), looks).save(path)
    return {"images": [saved]}


def preview_video(frames: Tensor, fps: float = FPS) -> ui.PreviewVideo:
    """Frames (N, H, W, 3) as a video in the host's temp folder: a node with a video upload shows nothing else."""
    path, saved = _name_file("preview", "mp4", frames.shape[2], frames.shape[1])
    write_clip(path, frames, fps)
    return ui.PreviewVideo([saved])


def preview_text(node: type[io.ComfyNode], text: str) -> ui.PreviewText:
    """A text on the node, which has to ask for the hidden `unique_id`: the frontend shows no other text."""
    PromptServer.instance.send_progress_text(text, node.hidden.unique_id)
    return ui.PreviewText(text)


def _name_file(prefix: str, ending: str, width: int, height: int) -> tuple[Path, ui.SavedResult]:
    """A free name in the host's temp folder."""
    folder, stem, number, subfolder, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_temp_directory(), width, height
    )
    name = f"{stem}_{number:05}_.{ending}"
    return Path(folder) / name, ui.SavedResult(name, subfolder, io.FolderType.temp)
