"""Lets the frontend show the pack's example clips, which it asks for as it asks for files of the input folder."""

from __future__ import annotations

from aiohttp import web

from ...motion_core.errors import OptionError
from .folders import EXAMPLE, find_clip
from .middlewares import Handler

_VIEW = ("/view", "/api/view")


@web.middleware
async def serve_example_clips(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers requests for `example: ...`; all others are the host's."""
    name = request.query.get("filename", "")
    if request.path not in _VIEW or not name.startswith(EXAMPLE):
        return await handler(request)
    try:
        return web.FileResponse(find_clip(name))
    except OptionError as error:
        return web.Response(status=404, text=str(error))
