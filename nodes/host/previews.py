"""Pictures, videos and texts that a node shows after it has run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io, ui
from PIL import Image
from server import PromptServer
from torch import Tensor

from ...motion_core.atomic_write import replacing
from ...motion_core.errors import FileError, VideoError, first_line
from ...motion_core.video.writing import write_clip
from .loss_curve import CURVE_SIZE, draw_curve

logger = logging.getLogger(__name__)

FPS = 8.0
"""Of previews of frames whose speed is not known."""


def preview_curve(losses: Sequence[float]) -> dict[str, Any]:
    """Writes the loss of training as a picture into the host's temp folder. Returns nothing where there is no loss."""
    if not losses:
        return {}
    saved = _save("loss", "png", CURVE_SIZE, partial(_write_curve, draw_curve(losses, len(losses))))
    return {"images": saved} if saved else {}


def preview_video(frames: Tensor, fps: float = FPS) -> ui.PreviewVideo:
    """Writes frames (N, H, W, 3) as a video into the host's temp folder: nodes that upload videos show nothing else."""
    height, width = frames.shape[1:3]
    return ui.PreviewVideo(_save("preview", "mp4", (width, height), partial(write_clip, frames=frames, fps=fps)))


def preview_text(node: type[io.ComfyNode], text: str) -> ui.PreviewText:
    """Shows a text on a node, which has to declare the hidden `unique_id`."""
    PromptServer.instance.send_progress_text(text, node.hidden.unique_id)
    return ui.PreviewText(text)


def _save(prefix: str, ending: str, size: tuple[int, int], write: Callable[[Path], None]) -> list[ui.SavedResult]:
    """Writes a file under a free name into the host's temp folder. size: width, height.

    Where it can't be written, that is logged and nothing is returned: the result is worth more than its preview.
    """
    try:
        folder, stem, number, subfolder, _ = folder_paths.get_save_image_path(
            prefix, folder_paths.get_temp_directory(), *size
        )
        name = f"{stem}_{number:05}_.{ending}"
        write(Path(folder) / name)
    except (OSError, FileError, VideoError) as reason:
        logger.warning("there is no preview: %s", first_line(reason))
        return []
    return [ui.SavedResult(name, subfolder, io.FolderType.temp)]


def _write_curve(curve: Image.Image, path: Path) -> None:
    with replacing(path) as scratch:
        curve.save(scratch)
