"""Lets the template browser list the pack's graphs in the order of their names.

The host lists a pack's graphs as its file system does, and the frontend keeps that order, so that a newcomer would meet
the first graph anywhere.
"""

from __future__ import annotations

import json
from pathlib import Path

from aiohttp import web

from .middlewares import Handler

_LIST = ("/workflow_templates", "/api/workflow_templates")
_PACK = Path(__file__).parents[2].name


@web.middleware
async def sort_templates(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Sorts the pack's part of the host's list."""
    answer = await handler(request)
    if request.path not in _LIST or not isinstance(answer, web.Response) or not answer.text:
        return answer
    listed = json.loads(answer.text)
    return web.json_response({pack: sorted(names) if pack == _PACK else names for pack, names in listed.items()})
