"""Shows on Load Reference Video which frames its widgets pick, before any run."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import folder_paths
from aiohttp import web

from ...motion_core.errors import MotionError, OptionError
from ...motion_core.video.frames.options import ClipOptions
from ...motion_core.video.previewing import preview_selection
from ...motion_core.video.writing import write_clip
from .folders import find_clip

_ADDRESS = "/motion_inversion/picked_frames"
_NUMBERS = ("frames", "start", "every", "width", "height")
_one_at_a_time = asyncio.Semaphore(1)
"""A person who goes on choosing leaves several requests behind, and decoding takes a whole core."""


async def show_picked_frames(request: web.Request) -> web.Response:
    """Answers with what the node shows, as the frontend knows it of a run: a text, and a video where there is one."""
    async with _one_at_a_time:
        if request.transport is None or request.transport.is_closing():
            return web.Response(status=499)  # the browser has asked for something else since
        return web.json_response(await asyncio.to_thread(describe_selection, request.query))


def describe_selection(widgets: Mapping[str, str]) -> dict[str, Any]:
    """widgets: names and values. Where they don't fit, the text is the sentence that a run would end with."""
    chosen = widgets.get("video", "")
    try:
        path, options = find_clip(chosen), _read_options(widgets)
    except MotionError as error:
        return {"text": [str(error)]}
    try:
        picked = preview_selection(path, options)
        size = f"{options.width}x{options.height}"
        if picked.clip is None:
            return {"text": [f"{picked.frames} of {picked.total} frames, {size}. They are shown after Run."]}
        name = _write(picked.clip.frames, picked.clip.fps, path, options)
    except MotionError as error:
        return {"text": [str(error).replace(str(path), chosen)]}  # a node has no room for a whole path
    seconds = f"{picked.frames / picked.fps:.1f} s at {picked.fps:.4g} fps"
    return {
        "text": [f"{picked.frames} of {picked.total} frames, {seconds}, {size}"],
        "images": [{"filename": name, "subfolder": "", "type": "temp"}],
        "animated": [True],
    }


def _read_options(widgets: Mapping[str, str]) -> ClipOptions:
    try:
        numbers = {name: int(widgets.get(name, "")) for name in _NUMBERS}
    except ValueError as reason:
        raise OptionError("a number of the node is empty or no whole number; correct it") from reason
    return ClipOptions(**numbers, fit=widgets.get("fit", ""), reversed=widgets.get("reversed") == "true")


def _write(frames: Any, fps: float, path: Path, options: ClipOptions) -> str:
    """Writes the video into the host's temp folder, one file for the same frames, and returns its name."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    content = hashlib.sha256(f"{path} {path.stat().st_mtime_ns} {options}".encode()).hexdigest()
    name = f"picked_{content[:16]}.mp4"
    write_clip(folder / name, frames, fps)
    return name


ROUTE = web.route("GET", _ADDRESS, show_picked_frames)
