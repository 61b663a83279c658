"""Hands out the preview in a motion file, so that the frontend shows it once the file is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from ...motion_core.errors import OptionError
from ...motion_core.files.header import read_metadata
from ...motion_core.motions.thumbnail import read_preview
from .folders import find_adapter, find_motion

_ADDRESS = "/motion_inversion/preview"
_FIND: dict[str, Callable[[str], Path]] = {"motion": find_motion, "adapter": find_adapter}
"""By the widgets of the nodes that load."""


async def show_motion_preview(request: web.Request) -> web.Response:
    """Answers requests for `?motion=NAME` and `?adapter=NAME`, without content where the file has no preview."""
    try:
        found = [find(request.query[kind]) for kind, find in _FIND.items() if kind in request.query]
    except KeyError:  # a motion LoRA, where no pack has a folder for them
        return web.Response(status=404)
    except OptionError as error:
        return web.Response(status=404, text=str(error))
    preview = await asyncio.to_thread(lambda: read_preview(read_metadata(found[0]))) if found else b""
    if not preview:
        return web.Response(status=204)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    return web.Response(body=preview, content_type="image/webp", headers=headers)


ROUTE = web.route("GET", _ADDRESS, show_motion_preview)
