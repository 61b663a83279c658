"""What the pack adds to the answers of the host's server."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from server import PromptServer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Middleware = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]

logger = logging.getLogger(__name__)


def add_middlewares(*middlewares: Middleware) -> None:
    """Put them before the host's handlers. A server that runs already takes no more; that is logged."""
    app = PromptServer.instance.app
    new = [middleware for middleware in middlewares if middleware not in app.middlewares]
    if new and app.frozen:
        logger.info("Restart ComfyUI to see the example clips and the order of the templates.")
        return
    app.middlewares.extend(new)
