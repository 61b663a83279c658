"""Lets the frontend show the pack's example clips, which it asks for as it asks for files of the input folder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from server import PromptServer

from ...motion_core.errors import OptionError
from .folders import EXAMPLE, find_clip

_VIEW = ("/view", "/api/view")


def serve_example_clips() -> None:
    """Answer requests for `example: ...`. It has to be called before the host's server starts."""
    app = PromptServer.instance.app
    if _serve not in app.middlewares:
        app.middlewares.append(_serve)


@web.middleware
async def _serve(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    name = request.query.get("filename", "")
    if request.path not in _VIEW or not name.startswith(EXAMPLE):
        return await handler(request)
    try:
        return web.FileResponse(find_clip(name))
    except OptionError as error:
        return web.Response(status=404, text=str(error))
