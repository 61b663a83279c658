"""What a node shows on itself once it has run."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.latest import io, ui
from server import PromptServer
from torch import Tensor

from ...motion_core.video import write_clip

FPS = 8.0
"""Of previews of frames whose speed is not known."""


def preview_video(frames: Tensor, fps: float = FPS) -> ui.PreviewVideo:
    """Frames (N, H, W, 3) as a video in the host's temp folder: a node with a video upload shows nothing else."""
    folder, stem, number, subfolder, _ = folder_paths.get_save_image_path(
        "preview", folder_paths.get_temp_directory(), frames.shape[2], frames.shape[1]
    )
    name = f"{stem}_{number:05}_.mp4"
    write_clip(Path(folder) / name, frames, fps)
    return ui.PreviewVideo([ui.SavedResult(name, subfolder, io.FolderType.temp)])


def preview_text(node: type[io.ComfyNode], text: str) -> ui.PreviewText:
    """A text on the node, which has to ask for the hidden `unique_id`: the frontend shows no other text."""
    PromptServer.instance.send_progress_text(text, node.hidden.unique_id)
    return ui.PreviewText(text)
