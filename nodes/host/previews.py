"""Pictures, videos and texts that a node shows after it has run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io, ui
from PIL import Image
from server import PromptServer
from torch import Tensor

from ...motion_core.atomic_write import replacing, write_whole
from ...motion_core.errors import FileError, VideoError, first_line
from ...motion_core.video.writing import write_clip

logger = logging.getLogger(__name__)

FPS = 8.0
"""Of previews of frames whose speed is not known."""


def preview_picture(picture: Image.Image | None) -> dict[str, Any]:
    """Writes a picture into the host's temp folder. Returns nothing where there is none."""
    if picture is None:
        return {}
    saved = _save("preview", "png", picture.size, partial(_write_picture, picture))
    return {"images": saved} if saved else {}


def preview_animation(data: bytes) -> dict[str, Any]:
    """Writes the preview of a motion, a WebP, into the host's temp folder. Returns nothing where it is empty."""
    if not data:
        return {}
    saved = _save("motion", "webp", (0, 0), partial(write_whole, content=data))
    return {"images": saved, "animated": (True,)} if saved else {}


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


def _write_picture(picture: Image.Image, path: Path) -> None:
    with replacing(path) as scratch:
        picture.save(scratch)
