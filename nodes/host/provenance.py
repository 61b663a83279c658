"""Finds out where a reference comes from: the graph says it, and the sockets do not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ...motion_core.errors import MotionError
from ...motion_core.motions.origin import ReferenceInfo
from ...motion_core.video.frames.options import ClipOptions
from ...motion_core.video.reading import read_clip
from .folders import find_clip

T = TypeVar("T")
Graph = Mapping[str, Mapping[str, Any]]
"""The host's prompt: a node's id -> its class_type and inputs. A link is [id of a node, number of its output]."""


def find_reference_info(model: Any, graph: Graph | None, node: str | None) -> ReferenceInfo:
    """Finds the prompt of `positive`, the frame rate of `latent` and the name of `model` of a node in a graph.

    What can't be found is empty or 0.
    """
    graph = graph or {}
    inputs = graph.get(str(node), {}).get("inputs", {})
    prompt = search_upstream(graph, inputs.get("positive"), _read_prompt)
    fps = search_upstream(graph, inputs.get("latent"), _read_rate)
    return ReferenceInfo(fps=fps or 0.0, prompt=prompt or "", model=find_name(model))


def find_name(model: Any) -> str:
    """Returns the name of a MODEL: that of the folder or file that it was loaded from."""
    name = getattr(model.model, "source_name", "")
    if name:
        return name
    _load, arguments, *_ = getattr(model, "cached_patcher_init", None) or (None, ())
    paths = [argument for argument in arguments if isinstance(argument, (str, Path))]
    return Path(paths[0]).stem if paths else ""


def search_upstream(graph: Graph, link: Any, read: Callable[[Graph, Mapping[str, Any]], T | None]) -> T | None:
    """Returns what `read` finds in the nearest node that a link leads to, directly or through other nodes."""
    waiting, seen = deque([link]), set()
    while waiting:
        link = waiting.popleft()
        if not _is_link(link) or str(link[0]) in seen or str(link[0]) not in graph:
            continue
        seen.add(str(link[0]))
        node = graph[str(link[0])]
        found = read(graph, node)
        if found is not None:
            return found
        waiting.extend(node.get("inputs", {}).values())
    return None


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _read_prompt(graph: Graph, node: Mapping[str, Any]) -> str | None:
    text = node.get("inputs", {}).get("text")
    if _is_link(text):  # a text that another node holds
        source = graph.get(str(text[0]), {}).get("inputs", {})
        text = next((value for value in source.values() if isinstance(value, str)), None)
    return text if isinstance(text, str) else None


def _read_rate(graph: Graph, node: Mapping[str, Any]) -> float | None:
    inputs = node.get("inputs", {})
    if node.get("class_type") != "LoadReferenceVideo" or _is_link(inputs.get("clip")):
        return None
    try:
        options = ClipOptions(2, int(inputs["start"]), int(inputs["every"]), 8, 8)
        return read_clip(find_clip(inputs["video"]), options).fps
    except (MotionError, KeyError, TypeError, ValueError):  # a widget that is linked, or a file that has gone
        return None
