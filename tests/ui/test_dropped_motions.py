"""A motion file that is dropped onto the canvas becomes a node that loads it; every other file is the frontend's."""

import base64
import json

import pytest
from safetensors.torch import save

from motion_core.motions.embedding import MotionEmbedding
from motion_core.starter.folder import MOTION_FOLDER
from tests.conftest import seeded
from tests.quick.unit.test_adapter_file import make as make_adapter
from tests.ui import browser

EXAMPLE = MOTION_FOLDER / "figure_eight.safetensors"
DROP = """async ([name, content, x, y]) => {
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name));
    const canvas = window.app.canvas.canvas;
    const place = {clientX: x, clientY: y, bubbles: true, cancelable: true, dataTransfer};
    for (const kind of ['dragover', 'drop']) canvas.dispatchEvent(new DragEvent(kind, place));
}"""
NODES = "() => window.app.graph.nodes.map(node => [node.type, [...node.pos], node.widgets?.[0]?.value])"
PLACE = (700, 500)


@pytest.fixture(params=[(by_vue, zoom) for by_vue in (False, True) for zoom in (1, 0.59)], ids=str)
def drawn(page, request):
    by_vue, zoom = request.param
    browser.draw_by_vue(page, by_vue)
    page.evaluate(
        """zoom => {
            window.app.graph.clear();
            window.app.canvas.ds.scale = zoom;
            window.app.canvas.ds.offset = [10, 20];
        }""",
        zoom,
    )
    yield page
    browser.draw_by_vue(page, False)


def drop(page, name, content):
    page.evaluate(DROP, [name, base64.b64encode(content).decode(), *PLACE])


def await_nodes(page, count):
    page.wait_for_function("count => window.app.graph.nodes.length === count", arg=count, timeout=20_000)
    browser.settle(page)
    return page.evaluate(NODES)


def where_dropped(page):
    return page.evaluate(
        """([x, y]) => {
            const {scale, offset} = window.app.canvas.ds, box = window.app.canvas.canvas.getBoundingClientRect();
            return [(x - box.left) / scale - offset[0], (y - box.top) / scale - offset[1]];
        }""",
        PLACE,
    )


def test_a_motion_becomes_a_loader_where_it_is_dropped(drawn, host):
    name = "dropped.safetensors"
    folder = host.work / "models" / "motion_embeddings"
    drop(drawn, name, EXAMPLE.read_bytes())
    ((kind, place, chosen),) = await_nodes(drawn, 1)
    assert (kind, chosen) == ("LoadMotionEmbedding", name)
    assert place == pytest.approx(where_dropped(drawn), abs=1)
    assert (folder / name).read_bytes() == EXAMPLE.read_bytes()
    browser.shoot(drawn, f"dropped_motion_{'vue' if drawn.evaluate('() => LiteGraph.vueNodesMode') else 'canvas'}")
    graph = drawn.evaluate("async () => (await window.app.graphToPrompt()).output")
    assert [node["inputs"] for node in graph.values()] == [{"motion": name}]
    drop(drawn, name, EXAMPLE.read_bytes())  # what is there already is taken
    assert [each[2] for each in await_nodes(drawn, 2)] == [name, name]


def test_an_adapter_becomes_its_loader(drawn, tmp_path):
    make_adapter().save(tmp_path / "own.safetensors")
    drop(drawn, "own.safetensors", (tmp_path / "own.safetensors").read_bytes())
    ((kind, _, chosen),) = await_nodes(drawn, 1)
    assert kind == "LoadMotionAdapter" and chosen == "own.safetensors"


def test_a_damaged_motion_is_refused_in_a_sentence(drawn, host, tmp_path):
    MotionEmbedding.load(EXAMPLE).save(tmp_path / "cut.safetensors")
    drop(drawn, "cut.safetensors", (tmp_path / "cut.safetensors").read_bytes()[:-100])
    drawn.get_by_text("cut.safetensors is damaged").first.wait_for(timeout=20_000)
    assert drawn.evaluate(NODES) == []
    assert not (host.work / "models" / "motion_embeddings" / "cut.safetensors").exists()


def test_another_safetensors_is_left_to_the_frontend(drawn):
    asked = []
    drawn.on("request", lambda request: asked.append(request.url) if "motion_inversion" in request.url else None)
    drop(drawn, "model.safetensors", save({"weight": seeded(2)}))
    drawn.get_by_text("model.safetensors").first.wait_for(timeout=20_000)  # the frontend finds no workflow in it
    assert drawn.evaluate(NODES) == [] and asked == []


def test_a_safetensors_with_a_workflow_is_opened_by_the_frontend(drawn):
    note = {"id": 1, "type": "Note", "pos": [0, 0], "size": [200, 100], "flags": {}, "order": 0, "mode": 0}
    graph = {"nodes": [{**note, "widgets_values": [""]}], "links": [], "version": 0.4}
    workflow = json.dumps({**graph, "last_node_id": 1, "last_link_id": 0})
    drop(drawn, "latent.safetensors", save({"weight": seeded(2)}, {"workflow": workflow}))
    assert [kind for kind, _, _ in await_nodes(drawn, 1)] == ["Note"]
