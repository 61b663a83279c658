"""The pack's blueprints: subgraphs that the frontend offers among the nodes."""

import json

from tests.host.live_host import PACK
from tests.ui import browser

NAMES = {"Learn a motion", "Use a motion"}
CONNECT = """() => {
    const {graph} = window.app, own = title => graph.nodes.find(node => node.title === title);
    const add = (type, values = {}) => {
        const node = window.LiteGraph.createNode(type);
        graph.add(node);
        for (const widget of node.widgets ?? []) if (widget.name in values) widget.value = values[widget.name];
        return node;
    };
    const connect = (from, output, to, input) => from.connect(output, to, to.findInputSlot(input));
    const learn = own('Learn a motion'), use = own('Use a motion');
    const trained = learn.subgraph.nodes.find(node => node.type === 'TrainMotionEmbedding');
    trained.widgets.find(widget => widget.name === 'steps').value = 2;
    const model = add('LoadVideoDiffusionModel'), clip = add('LoadReferenceVideo', {width: 64, height: 64, frames: 4});
    connect(clip, 0, learn, 'pixels');
    connect(model, 2, learn, 'vae');
    connect(model, 1, learn, 'clip');
    connect(model, 0, learn, 'model');
    connect(learn, 1, use, 'motion');
    connect(model, 0, use, 'model');
    connect(use, 0, add('ProbeModel'), 'model');
}"""


def test_the_host_lists_them(host):
    listed = host.ask("/global_subgraphs").values()
    ours = {entry["name"] for entry in listed if entry["info"]["node_pack"] == "custom_nodes.motion-inversion"}
    assert ours == NAMES == {path.stem for path in (PACK / "subgraphs").glob("*.json")}


def test_they_hold_only_nodes_of_the_host_and_of_the_pack(host):
    known = set(host.ask("/object_info"))
    for path in (PACK / "subgraphs").glob("*.json"):
        inner = json.loads(path.read_text(encoding="utf-8"))["definitions"]["subgraphs"][0]
        assert inner["name"] == path.stem and inner["description"] and inner["category"] == "motion inversion"
        assert {node["type"] for node in inner["nodes"]} <= known


def add_by_search(page, name, spot):
    page.evaluate("() => window.app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
    search = page.get_by_placeholder("Add a node")
    search.fill(name)
    page.get_by_test_id("result-item").filter(has_text=name).first.click()
    search.wait_for(state="hidden")  # it takes clicks until then
    page.wait_for_function("() => window.app.canvas.state.ghostNodeId != null")  # the node follows the mouse
    page.mouse.click(*spot)
    page.wait_for_function("() => window.app.canvas.state.ghostNodeId == null")


def test_they_are_found_by_name_and_run(page, host):
    page.evaluate("() => window.app.graph.clear()")
    page.wait_for_timeout(1500)
    for place, name in enumerate(sorted(NAMES)):
        add_by_search(page, name, (800 + 600 * place, 1200 - 800 * place))
    assert set(page.evaluate("() => window.app.graph.nodes.map(node => node.title)")) == NAMES
    page.evaluate(CONNECT)
    browser.run(page, host, steps=2)
    last = list(host.ask("/history").values())[-1]
    assert last["status"]["status_str"] == "success", last["status"]["messages"][-1]
