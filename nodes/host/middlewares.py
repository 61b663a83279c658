"""What the pack adds to the answers of the host's server."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

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


def add_routes(*new: web.RouteDef) -> None:
    """Lets the host answer at more addresses, with and without /api before them. It takes them until it runs."""
    routes = PromptServer.instance.routes
    for route in new:
        if route not in routes:
            routes.route(route.method, route.path)(route.handler)


def add_prompt_handler(handler: Callable[[Any], Any]) -> None:
    """Lets the handler see each request for a run before the host checks it."""
    if handler not in PromptServer.instance.on_prompt_handlers:
        PromptServer.instance.add_on_prompt_handler(handler)
