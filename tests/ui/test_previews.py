"""What the nodes show in the frontend: the reference before a run, and the results again after a cached one."""

import json

import pytest

from tests.host.live_host import PACK
from tests.ui import browser

FIRST = PACK / "workflows" / "00_starter_motion_transfer.json"
LOADED = """([node]) => {
    const own = window.app.graph.getNodeById(node);
    const videos = [...document.querySelectorAll(`[data-node-id="${node}"] video`)];
    const widgets = (own.widgets ?? []).map(widget => widget.element).filter(Boolean);
    videos.push(...widgets.flatMap(element => [...element.querySelectorAll('video')]));
    return videos.some(video => video.videoWidth > 0);
}"""


@pytest.fixture(params=[False, True], ids=["canvas", "vue"])
def drawn(page, request):
    browser.draw_by_vue(page, request.param)
    yield page
    browser.draw_by_vue(page, False)


def find_id(graph, kind):
    return next(node["id"] for node in graph["nodes"] if node["type"] == kind)


def read_first():
    return json.loads(FIRST.read_text(encoding="utf-8"))


def test_an_example_clip_is_shown_before_a_run(drawn):
    missing = []
    drawn.on("response", lambda answer: missing.append(answer.url) if answer.status == 404 else None)
    graph = read_first()
    browser.load(drawn, graph)
    drawn.wait_for_function(LOADED, arg=[find_id(graph, "LoadReferenceVideo")], timeout=20_000)
    assert not [url for url in missing if "example" in url]


def test_results_are_shown_again_after_a_cached_run(drawn, host):
    graph = read_first()
    browser.load(drawn, graph)
    trained, reference = (find_id(graph, kind) for kind in ("TrainMotionEmbedding", "LoadReferenceVideo"))
    shown = []
    for _ in range(2):
        browser.load(drawn, graph)  # nothing of the run before is on the nodes
        browser.run(drawn, host, steps=2)
        drawn.wait_for_function(LOADED, arg=[reference], timeout=20_000)
        shown.append(drawn.evaluate(
            """([node]) => {
                const own = window.app.graph.getNodeById(node);
                const text = (own.widgets ?? []).map(widget => String(widget.value ?? '')).join(' ');
                return [text.includes('memory'), (window.app.nodeOutputs[node]?.images ?? []).length];
            }""",
            [trained],
        ))  # fmt: skip
    assert shown == [[True, 1], [True, 1]]


def test_a_text_in_an_open_subgraph_is_shown_again_after_a_cached_run(page, host):
    graph = read_first()
    browser.load(page, graph)
    page.evaluate(
        """([node]) => {
            const {graph} = window.app;
            const {subgraph} = graph.convertToSubgraph(new Set([graph.getNodeById(node)]));
            const inner = subgraph.nodes.find(node => node.type === 'TrainMotionEmbedding');
            inner.widgets.find(widget => widget.name === 'steps').value = 2;
            window.inner = () => inner;
        }""",
        [find_id(graph, "TrainMotionEmbedding")],
    )
    browser.run(page, host, steps=2)  # seen from outside
    page.evaluate("() => window.app.canvas.setGraph(window.inner().graph)")
    browser.run(page, host, steps=2)
    text = page.evaluate("() => window.inner().widgets.map(widget => String(widget.value ?? '')).join(' ')")
    page.evaluate("() => window.app.canvas.setGraph(window.app.graph)")
    assert "memory" in text
