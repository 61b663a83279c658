"""Load Reference Video shows the frames that its widgets pick before any run, by both renderers and at two zooms."""

import pytest

from tests.host.graphs import Graph, load_clip, out, probe
from tests.host.live_host import Failed
from tests.ui import browser
from tests.ui.test_unused_widgets import ByVue, OnCanvas

NAME = "figure_eight.mp4"
CLIP = f"example: {NAME}"
SHOWN = """([wanted, file]) => {
    const node = window.app.graph.nodes.find(node => node.type === 'LoadReferenceVideo');
    const text = node.widgets.find(widget => widget.name === '$$node-text-preview')?.value ?? '';
    const places = [...document.querySelectorAll(`[data-node-id="${node.id}"]`)];
    places.push(...node.widgets.map(widget => widget.element).filter(Boolean));
    const videos = places.flatMap(place => [...place.querySelectorAll('video')]);
    const isThere = video => decodeURIComponent(video.currentSrc).includes(file) && video.videoWidth > 0;
    return text.includes(wanted) && videos.some(isThere);
}"""
PICKED = "picked_"
"""In the name of the video of picked frames."""


class Reference:
    """A Load Reference Video node as one of the renderers draws it at a zoom."""

    def __init__(self, kind, page, zoom):
        self.page, self.zoom = page, zoom
        self.node = kind(page)
        self.node.become("LoadReferenceVideo")
        self.node.do(
            f"node.pos = [400, 300]; app.canvas.ds.scale = {zoom}; app.canvas.ds.offset = [0, 0]; app.canvas.draw(true)"
        )

    def change(self, **values):
        """As the frontend does when a person changes widgets."""
        change = "const w = node.widgets.find(w => w.name === given[0]); w.value = given[1]; w.callback(given[1])"
        for pair in values.items():
            self.node.do(change, list(pair))

    def await_shown(self, text, file=PICKED):
        self.page.wait_for_function(SHOWN, arg=[text, file], timeout=20_000)
        browser.settle(self.page)

    @property
    def text(self):
        return self.node.do("return node.widgets.find(w => w.name === '$$node-text-preview')?.value")

    def increase(self, name):
        """By the mouse: the arrow at the right end of a number's widget."""
        if self.node.by_vue:
            self.page.locator(".lg-node-widget", has_text=name).first.get_by_role("button").last.click()
            return
        spot = self.node.do(
            """const widget = node.widgets.find(w => w.name === given), {scale, offset} = app.canvas.ds;
            const box = app.canvas.canvas.getBoundingClientRect();
            const right = node.pos[0] + node.size[0] - 20, middle = node.pos[1] + widget.y + 10;
            return [box.left + (right + offset[0]) * scale, box.top + (middle + offset[1]) * scale];""",
            name,
        )
        self.page.mouse.move(*spot)
        self.page.mouse.down()
        self.page.mouse.up()


@pytest.fixture(params=[(kind, zoom) for kind in (OnCanvas, ByVue) for zoom in (1, 0.59)], ids=str)
def reference(request, page):
    kind, zoom = request.param
    made = Reference(kind, page, zoom)
    made.change(video=CLIP, frames=16, start=0, every=1, width=64, height=64, fit="crop", reversed=False)
    made.await_shown("16 of 16 frames")
    yield made
    browser.draw_by_vue(page, False)


def shoot(reference, name):
    browser.SHOTS.mkdir(exist_ok=True)
    drawn = "vue" if reference.node.by_vue else "canvas"
    reference.page.screenshot(path=browser.SHOTS / f"{name}_{drawn}_{round(reference.zoom * 100)}.png")


def test_a_change_shows_the_picked_frames_and_what_they_are(reference):
    assert reference.text == "16 of 16 frames, 2.0 s at 8 fps, 64x64"
    reference.change(every=3, frames=5, width=512, height=320)
    reference.await_shown("5 of 16 frames, 1.9 s at 2.667 fps, 512x320")
    shoot(reference, "picked_frames")


def test_a_change_by_mouse_counts(reference):
    reference.increase("start")
    reference.await_shown("ask for at most 15 frames", file="figure_eight")


def test_options_that_do_not_fit_show_the_sentence_of_a_run(reference, host):
    reference.change(frames=40, start=2)
    reference.await_shown("40 were asked for", file="figure_eight")
    graph = Graph()
    probe(graph, out(load_clip(graph, frames=40, start=2)))
    with pytest.raises(Failed) as failed:
        host.run(graph)
    shoot(reference, "picked_frames_too_few")
    assert reference.text == CLIP + failed.value.message.partition(NAME)[2]
    reference.change(frames=4)
    reference.await_shown("4 of 16 frames")


def test_only_the_last_of_many_changes_is_asked_for(reference):
    asked = []
    reference.page.on("request", lambda request: asked.append(request.url) if "picked_frames" in request.url else None)
    reference.node.do(
        """const w = node.widgets.find(w => w.name === 'frames');
        for (let frames = 2; frames <= 9; frames++) { w.value = frames; w.callback(frames); }"""
    )
    reference.await_shown("9 of 16 frames")
    assert [address for address in asked if "frames=9&" not in address] == []


def test_a_linked_clip_is_shown_after_run(reference):
    reference.node.do(
        """const source = LiteGraph.createNode('LoadVideo');
        graph.add(source);
        source.connect(0, node, node.inputs.findIndex(slot => slot.name === 'clip'));"""
    )
    reference.change(frames=4)
    reference.await_shown("shown after Run", file="figure_eight")


def test_nothing_is_saved_and_a_loaded_graph_shows_what_it_showed(reference):
    shown = reference.node.graph
    assert "picked_" not in str(shown) and "of 16" not in str(shown)
    before = shown["nodes"][0]
    reference.node.do("graph.clear()")
    browser.load(reference.page, shown)
    reference.page.wait_for_function(SHOWN, arg=["", "figure_eight"], timeout=20_000)
    after = reference.node.graph["nodes"][0]
    assert reference.text is None
    assert [after[part] for part in ("widgets_values", "size")] == [before[part] for part in ("widgets_values", "size")]


def test_a_run_shows_its_own_frames_and_a_change_the_new_pick(reference, host):
    reference.node.do(
        """const probe = LiteGraph.createNode('PreviewImage');
        graph.add(probe);
        node.connect(0, probe, 0);"""
    )
    browser.run(reference.page, host, steps=1)
    reference.page.wait_for_function(SHOWN, arg=["", "preview_"], timeout=20_000)
    reference.change(frames=4)
    reference.await_shown("4 of 16 frames")


def test_a_node_in_a_subgraph_shows_its_pick(page):
    browser.draw_by_vue(page, False)
    Reference(OnCanvas, page, 1)
    page.evaluate(
        """() => {
            const {graph} = window.app;
            const {subgraph} = graph.convertToSubgraph(new Set([graph.nodes[0]]));
            window.app.canvas.setGraph(subgraph);
            const node = window.inner = subgraph.nodes.find(node => node.type === 'LoadReferenceVideo');
            for (const [name, value] of [['video', 'example: figure_eight.mp4'], ['frames', 4]]) {
                const widget = node.widgets.find(widget => widget.name === name);
                widget.value = value;
                widget.callback(value);
            }
        }"""
    )
    page.wait_for_function(
        "() => window.inner.widgets.some(widget => String(widget.value).includes('4 of 16 frames'))", timeout=20_000
    )
    page.evaluate("() => window.app.canvas.setGraph(window.app.graph)")
