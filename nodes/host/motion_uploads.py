"""Takes a motion file that was dropped onto the canvas into the host's folders."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from filecmp import cmp
from pathlib import Path
from tempfile import TemporaryDirectory

import folder_paths
from aiohttp import web

from ...motion_core.atomic_write import replacing
from ...motion_core.errors import FileError, MotionError
from ...motion_core.files.tensor_file import read_format
from ...motion_core.motions import adapter_file, embedding_file
from ...motion_core.motions.motion import read_motion
from .file_names import with_slashes, without_suffix
from .folders import ADAPTER_FOLDER, MOTION_FOLDER, MOTION_SUFFIX, free_path, inside, saved_name

_ADDRESS = "/motion_inversion/motions"
FOLDERS = {embedding_file.KIND.format: MOTION_FOLDER, adapter_file.KIND.format: ADAPTER_FOLDER}
LARGEST = 2 * 2**30
"""Bytes: the largest adapter of all layers of a 14B model is smaller."""
_LONGEST = 120
"""Characters of a name."""
_one_at_a_time = asyncio.Lock()
"""So that two files of one name do not take the same free name."""


async def take_motion(request: web.Request) -> web.Response:
    """Saves the body, if it is a motion of ours, and answers with its folder and with its name in that folder's list.

    The query has the file's `name` and its `format`. A file with the same content is taken as it is; another one of
    that name stays, and the new one gets a number. Where the file is refused, the answer is the sentence.
    """
    folder = FOLDERS.get(request.query.get("format", ""))
    if folder is None:
        return web.Response(status=400, text="the file is no motion of this pack; drop one that it has saved")
    try:
        async with _one_at_a_time:
            name = await _save(folder, request.query.get("name", ""), request.content.iter_any())
    except MotionError as error:
        return web.Response(status=400, text=str(error))
    return web.json_response({"folder": folder, "name": name})


async def _save(folder: str, name: str, body: AsyncIterator[bytes]) -> str:
    stem = plain_name(name)
    free_path(folder, stem)  # refuses what plain_name leaves of a name that some system keeps for itself
    temp = folder_paths.get_temp_directory()
    os.makedirs(temp, exist_ok=True)
    with TemporaryDirectory(dir=temp) as scratch:
        file = Path(scratch) / (stem + MOTION_SUFFIX)
        await _receive(body, file)
        return await asyncio.to_thread(_keep, file, folder)


def plain_name(name: str) -> str:
    """Returns a name that every system takes, without its folders and its suffix."""
    stem = without_suffix(with_slashes(name).split("/")[-1], MOTION_SUFFIX)
    return re.sub(r"[^\w .()+-]", "_", stem)[:_LONGEST].strip(". ") or "motion"


async def _receive(body: AsyncIterator[bytes], path: Path) -> None:
    """Raises FileError for a body above LARGEST."""
    size = 0
    with path.open("wb") as file:
        async for part in body:
            size += len(part)
            if size > LARGEST:
                raise FileError(f"{path.name} is larger than {LARGEST // 2**30} GiB; copy it into the host's folder")
            file.write(part)


def _keep(file: Path, folder: str) -> str:
    """Reads all of a file, as Load will, and copies it into the folder if that has none like it. Raises FileError."""
    if FOLDERS.get(read_format(file)) != folder:
        raise FileError(f"{file.name} is damaged or no motion of this pack; save or download it again")
    read_motion(file)
    path = _find_same(file, folder)
    if path is None:
        path = free_path(folder, file.stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as whole:
            shutil.copyfile(file, whole)
    return saved_name(folder, path)


def _find_same(file: Path, folder: str) -> Path | None:
    """The file of the same name in the folder, with a number or without, that has the same content."""
    parent = inside(folder_paths.get_folder_paths(folder), file.stem, "the name").parent
    numbered = re.compile(re.escape(file.stem) + r"(_\d+)?" + re.escape(MOTION_SUFFIX))
    alike = (path for path in sorted(parent.glob("*" + MOTION_SUFFIX)) if numbered.fullmatch(path.name))
    return next((path for path in alike if path.is_file() and cmp(path, file, shallow=False)), None)


ROUTE = web.route("POST", _ADDRESS, take_motion)
