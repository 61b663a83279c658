"""Where a shared graph says that its motions can be got.

The frontend's own convention: a node's `properties.models` in a graph lists `name`, `url` and `directory` of what it
loads, and the frontend lists those that are missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

Sources = dict[tuple[str, str], str]

_of_this_run: ContextVar[Sources] = ContextVar("shared_sources")
_ADDRESS = re.compile(r"https?://[!-~]{1,500}")


def note_sources(request: Any) -> Any:
    """Keeps what the graph of a request says while the host checks it. The host calls it with every run."""
    _of_this_run.set(dict(_find_sources(request)))
    return request


def find_source(folder: str, name: str) -> str | None:
    """The address of a file that belongs in a model folder, where the graph that is to run says one."""
    return _of_this_run.get({}).get((folder, name))


def _find_sources(request: Any) -> Iterator[tuple[tuple[str, str], str]]:
    """A graph can be anything: what is of another form is passed over."""
    graph = _look_up(request, "extra_data", "extra_pnginfo", "workflow")
    for each in (graph, *_as_list(_look_up(graph, "definitions", "subgraphs"))):
        for node in _as_list(_look_up(each, "nodes")):
            for model in _as_list(_look_up(node, "properties", "models")):
                folder, name, url = (_look_up(model, key) for key in ("directory", "name", "url"))
                are_words = all(isinstance(value, str) for value in (folder, name, url))
                if are_words and _ADDRESS.fullmatch(url):
                    yield (folder, name), url


def _look_up(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
