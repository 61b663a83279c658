"""Lays the shipped graphs out with room for both renderers, and saves them as the frontend does.

    python -m tests.ui.layout

Groups keep their order, columns their order within a group, nodes their order within a column.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.host.live_host import PACK, LiveHost, find_host
from tests.ui import browser
from tests.ui.boxes import Box, find_nodes
from tests.ui.stand_ins import write_stand_ins

GRAPHS = sorted((PACK / "workflows").glob("*.json"))
TITLE, PADDING, HEADER = 30, 30, 60
"""Of a node; beside and below the nodes of a group; above them."""
COLUMN_GAP, ROW_GAP, GROUP_GAP = 80, 50, 70
ROOM_FOR_RESULTS = {
    "TrainMotionEmbedding": 345,
    "TrainMotionAdapter": 365,
    "ApplyMotionEmbedding": 70,
    "ApplyMotionAdapter": 70,
    "TrackMotion": 345,
    "CompareVideos": 240,
}
"""Height of what a node shows after a run, below its widgets. Nodes of other kinds are never made smaller."""
Sizes = dict[int, tuple[float, float]]


def measure(page: Any, graph: dict[str, Any]) -> Sizes:
    """Width and height, without the title, that each node takes at most in the two renderers."""
    for node in graph["nodes"]:
        if node["type"] in ROOM_FOR_RESULTS:
            node["size"][1] = 0  # the frontend gives it the height of its widgets
    sizes = {node["id"]: tuple(node["size"]) for node in graph["nodes"]}
    for by_vue in (False, True):
        browser.draw_by_vue(page, by_vue)
        browser.load(page, graph)
        for number, box in find_nodes(page).items():
            width, height = sizes[number]
            sizes[number] = max(width, round(box.right - box.left)), max(height, round(box.bottom - box.top - TITLE))
    browser.draw_by_vue(page, False)
    for node in graph["nodes"]:
        width, height = sizes[node["id"]]
        sizes[node["id"]] = width, height + ROOM_FOR_RESULTS.get(node["type"], 0)
    return sizes


def lay_out(graph: dict[str, Any], sizes: Sizes) -> None:
    """Place the nodes and groups of a graph in the UI's format."""
    left, top = 0.0, 0.0
    for band in _bands(graph["groups"]):
        places = [(group, _columns(graph, group)) for group in band]
        widest, y = 0.0, top
        for group, columns in places:
            width, height = _place_columns(columns, left + PADDING, y + HEADER + TITLE, sizes)
            group["bounding"] = [left, y, width + 2 * PADDING, height + HEADER + PADDING]
            widest, y = max(widest, width + 2 * PADDING), y + group["bounding"][3] + GROUP_GAP
        for group, _ in places:
            group["bounding"][2] = widest
        left += widest + GROUP_GAP
    bottom = max(group["bounding"][1] + group["bounding"][3] for group in graph["groups"])
    for band in _bands(graph["groups"]):
        x, y, width, _ = band[-1]["bounding"]
        band[-1]["bounding"] = [x, y, width, bottom - y]
    for node in graph["nodes"]:
        node["size"] = list(sizes[node["id"]])
    for note in (node for node in graph["nodes"] if node["type"] == "MarkdownNote"):
        note["pos"] = [-note["size"][0] - GROUP_GAP, top + HEADER + TITLE]


def _place_columns(columns: list[list[dict[str, Any]]], left: float, top: float, sizes: Sizes) -> tuple[float, float]:
    """The width and height that they take, with the nodes' titles."""
    x, highest = left, 0.0
    for column in columns:
        y = top
        for node in column:
            node["pos"] = [x, y]
            y += sizes[node["id"]][1] + TITLE + ROW_GAP
        x += max(sizes[node["id"]][0] for node in column) + COLUMN_GAP
        highest = max(highest, y - ROW_GAP - top)
    return x - COLUMN_GAP - left, highest


def _bands(groups: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Groups from left to right; those that begin at one place lie below each other."""
    lefts = sorted({group["bounding"][0] for group in groups})
    return [
        sorted((group for group in groups if group["bounding"][0] == left), key=lambda group: group["bounding"][1])
        for left in lefts
    ]


def _columns(graph: dict[str, Any], group: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The nodes of a group by where they begin, each column from the top down."""
    left, top, width, height = group["bounding"]
    box = Box("", left, top, left + width, top + height)
    inside = [node for node in graph["nodes"] if box.holds(Box("", *node["pos"], *node["pos"]))]
    lefts = sorted({node["pos"][0] for node in inside})
    return [
        sorted((node for node in inside if node["pos"][0] == left), key=lambda node: node["pos"][1]) for left in lefts
    ]


def save(page: Any, graph: dict[str, Any], path: Path) -> None:
    browser.load(page, graph)
    saved = json.loads(page.evaluate("() => JSON.stringify(window.app.graph.serialize())"))
    kept = {name: saved[name] for name in graph} | {"id": graph["id"], "revision": 0, "extra": {}}
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def open_pages() -> Iterator[tuple[Any, LiveHost]]:
    """Yields the frontend of a host that runs meanwhile, and the host."""
    host, executable = find_host(), browser.find_browser()
    if host is None or executable is None:
        raise SystemExit("a ComfyUI and Chromium are needed; docs/architecture.md says where they are looked for")
    with tempfile.TemporaryDirectory() as work:
        live = LiveHost(host, Path(work))
        live.start()
        write_stand_ins(live)
        try:
            with browser.open_frontend(live.address, executable) as page:
                yield page, live
        finally:
            live.stop()


if __name__ == "__main__":
    for page, _ in open_pages():
        for path in GRAPHS:
            graph = json.loads(path.read_text(encoding="utf-8"))
            lay_out(graph, measure(page, graph))
            save(page, graph, path)
            print(path.name)
