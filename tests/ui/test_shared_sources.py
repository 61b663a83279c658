"""A graph says where its motion can be got: a person adds it in the node's menu, and who lacks the file sees it."""

import pytest

from tests.ui import browser
from tests.ui.test_unused_widgets import ByVue, OnCanvas

URL = "https://huggingface.co/someone/motions/resolve/main/lost.safetensors"
NAME = "lost.safetensors"
FOLDERS = {"LoadMotionEmbedding": "motion_embeddings", "LoadMotionAdapter": "motion_adapters"}


@pytest.fixture(params=[OnCanvas, ByVue])
def node(request, page):
    page.route("https://huggingface.co/**", lambda route: route.abort())  # the frontend asks how large the file is
    yield request.param(page)
    page.unroute("https://huggingface.co/**")
    browser.draw_by_vue(page, False)


def lose(node, kind):
    """A node that names a file which nobody has."""
    node.become(kind)
    node.do(
        f"node.pos = [400, 300]; app.canvas.ds.scale = 1; app.canvas.ds.offset = [0, 0]; "
        f"node.widgets[0].value = '{NAME}'; app.canvas.draw(true)"
    )


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_person_adds_it_in_the_menu(node, kind):
    lose(node, kind)
    title = node.do(
        """const box = app.canvas.canvas.getBoundingClientRect();
        return [box.left + node.pos[0] + 120, box.top + node.pos[1] - 12];"""
    )
    node.page.mouse.click(*title, button="right")
    more = node.page.get_by_text("Extensions", exact=True)
    item = node.page.get_by_text("Where to get this motion", exact=True)
    node.page.wait_for_timeout(500)
    if not item.count() and more.count():
        more.first.hover()
    item.first.click()
    node.page.get_by_role("dialog").get_by_role("textbox").fill(URL)
    node.page.keyboard.press("Enter")
    entry = {"name": NAME, "url": URL, "directory": FOLDERS[kind]}
    node.page.wait_for_function("() => window.app.graph.nodes[0].properties.models?.length", timeout=10_000)
    assert node.saved["properties"]["models"] == [entry]


@pytest.mark.parametrize("kind", FOLDERS)
def test_who_opens_the_graph_sees_what_is_missing_and_where_it_belongs(node, kind):
    lose(node, kind)
    node.do("node.properties.models = [given]", {"name": NAME, "url": URL, "directory": FOLDERS[kind]})
    graph = node.graph
    node.do("graph.clear()")
    node.page.evaluate("graph => window.app.loadGraphData(graph)", graph)
    node.page.get_by_text("See Error").or_(node.page.get_by_text("View details")).first.click(timeout=10_000)
    node.page.get_by_text(FOLDERS[kind]).first.wait_for(timeout=10_000)
    node.page.get_by_text(NAME).first.wait_for(timeout=10_000)
    browser.SHOTS.mkdir(exist_ok=True)
    node.page.screenshot(path=browser.SHOTS / f"missing_{kind}_{'vue' if node.by_vue else 'canvas'}.png")
