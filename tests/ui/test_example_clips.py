"""The example clips on Load Reference Video in a browser, by both renderers, before any run."""

import pytest

from motion_core.starter.folder import CLIP_FOLDER
from tests.ui import browser

CLIPS = sorted(path.name for path in CLIP_FOLDER.glob("*.mp4"))
CHOOSE = """value => {  // and nothing of what is shown then: see test_picked_frames
    const node = window.app.graph.nodes[0], widget = node.widgets.find(widget => widget.name === 'video');
    widget.value = value;
    widget.callback(value);
    node.onExecuted();
}"""
SHOWN = """name => {
    const node = window.app.graph.nodes[0];
    const places = node.widgets.map(widget => widget.element).filter(Boolean);
    places.push(...document.querySelectorAll(`[data-node-id="${node.id}"]`));
    const videos = places.flatMap(place => [...place.querySelectorAll('video')]);
    const isOf = video => decodeURIComponent(video.currentSrc.replaceAll('+', ' ')).includes(name);
    return videos.some(video => isOf(video) && video.readyState > 0 && video.videoWidth > 0);
}"""


@pytest.fixture(params=[False, True], ids=["canvas", "vue"])
def drawn(page, request):
    browser.draw_by_vue(page, request.param)
    page.evaluate("() => window.app.graph.clear()")
    yield page
    browser.draw_by_vue(page, False)


@pytest.fixture
def failed(drawn):
    """Addresses that the host refused."""
    refused = []
    drawn.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    return refused


def test_each_example_that_is_chosen_is_shown(drawn, failed):
    drawn.evaluate("() => window.app.graph.add(window.LiteGraph.createNode('LoadReferenceVideo'))")
    for name in CLIPS:  # a new node has the first clip of the input folder, if there is one
        drawn.evaluate(CHOOSE, f"example: {name}")
        drawn.wait_for_function(SHOWN, arg=f"example: {name}", timeout=20_000)
    assert not [address for address in failed if "/view" in address and "example" in address]
    assert drawn.get_by_text("failed to load").count() == 0
