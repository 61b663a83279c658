"""Training with and without previews of the motion so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PIL import Image

from tests.host.graphs import Graph, out, probe
from tests.host.live_host import LiveHost

NO_PREVIEW = "there is no preview"
"""What the host logs of a preview that fails."""


def height_of(host: LiveHost, shown: dict[str, Any]) -> int:
    """Of the picture that a node showed."""
    (saved,) = shown["images"]
    with Image.open(host.work / saved["type"] / saved["subfolder"] / saved["filename"]) as picture:
        return picture.height


def read_log(host: LiveHost, since: int = 0) -> str:
    """What the host has logged since: a length of its log. Other tests have it log other faults."""
    return host.log.read_text(encoding="utf-8")[since:]


def check_previews(
    host: LiveHost,
    graph: Graph,
    model: list[Any],
    learn: Callable[..., str],
    shown: Sequence[Mapping[str, Any]],
    hidden: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Learn as usual, then with inputs that show previews, then with some that show none: all learn the same.

    learn: adds a training node with these inputs.
    """
    nodes = [learn(**each) for each in ({}, *shown, *hidden)]
    found = [probe(graph, out(node)) for node in nodes]
    after = [graph.add("ProbeModel", model=model, after=out(node)) for node in nodes]
    logged = len(read_log(host))
    outputs = host.wait(host.queue(graph))
    assert len({outputs[node]["text"][0] for node in found}) == 1
    assert len({outputs[node]["text"][0] for node in after}) == 1
    plain, *others = (height_of(host, outputs[node]) for node in nodes)
    assert all(height > plain for height in others[: len(shown)])
    assert all(height == plain for height in others[len(shown) :])
    assert NO_PREVIEW not in read_log(host, logged)
