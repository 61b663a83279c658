"""The preview in a motion file on the nodes that load it, and what training shows while it runs, by both renderers."""

import json
import shutil

import pytest
import torch

from motion_core.motions.motion import read_motion, with_preview
from tests.host.live_host import PACK
from tests.quick.unit.test_released_files import RELEASED
from tests.ui import browser

FIRST = PACK / "workflows" / "00_starter_motion_transfer.json"
FILES = {
    "LoadMotionEmbedding": ("motion", "motion_embeddings", "embedding_1_raw.safetensors"),
    "LoadMotionAdapter": ("adapter", "motion_adapters", "adapter_1_low_rank.safetensors"),
}
PREVIEWED, PLAIN = "moves.safetensors", "plain.safetensors"
CHOOSE = """([name, value]) => {
    const widget = window.app.graph.nodes[0].widgets.find(widget => widget.name === name);
    widget.value = value;
    widget.callback(value);
}"""
PICTURES = """() => {
    const node = window.app.graph.nodes[0], places = node.widgets.map(widget => widget.element).filter(Boolean);
    places.push(...document.querySelectorAll(`[data-node-id="${node.id}"]`));
    const pictures = new Set(places.flatMap(place => [...place.querySelectorAll('img')]));
    return [...pictures].map(picture => picture.naturalWidth);
}"""
LISTEN = """() => {
    window.seen = {texts: [], pictures: 0};
    window.app.api.addEventListener('progress_text', ({detail}) => window.seen.texts.push(detail.text));
    window.app.api.addEventListener('b_preview_with_metadata', () => window.seen.pictures++);
}"""


@pytest.fixture(scope="module")
def page(page, host):
    clip = torch.zeros(12, 40, 64, 3)
    for number in range(12):
        clip[number, 10:20, 3 * number : 3 * number + 10, 0] = 1
    for _, folder, name in FILES.values():
        place = host.work / "models" / folder
        place.mkdir(parents=True, exist_ok=True)
        with_preview(read_motion(RELEASED / name), clip).save(place / PREVIEWED)
        shutil.copy(RELEASED / name, place / PLAIN)
    page.reload()
    page.wait_for_function(browser.READY, timeout=120_000)
    yield page


@pytest.fixture(params=[False, True], ids=["canvas", "vue"])
def drawn(page, request):
    browser.draw_by_vue(page, request.param)
    page.evaluate("() => window.app.graph.clear()")
    yield page
    browser.draw_by_vue(page, False)


def wait_for(page, widths):
    page.wait_for_function(f"widths => String(({PICTURES})()) === String(widths)", arg=widths, timeout=20_000)


@pytest.mark.parametrize("kind", FILES)
def test_the_preview_of_the_chosen_file_is_shown(drawn, host, kind):
    widget = FILES[kind][0]
    drawn.evaluate("kind => window.app.graph.add(window.LiteGraph.createNode(kind))", kind)
    drawn.evaluate(CHOOSE, [widget, PREVIEWED])
    wait_for(drawn, [64])
    browser.shoot(drawn, f"motion_preview_{kind}_{'vue' if drawn.locator('[data-node-id]').count() else 'canvas'}")
    saved = drawn.evaluate("() => window.app.graph.serialize()")
    assert [each["widgets_values"] for each in saved["nodes"]] == [[PREVIEWED]]
    drawn.evaluate(CHOOSE, [widget, PLAIN])
    wait_for(drawn, [])
    browser.load(drawn, saved)
    wait_for(drawn, [64])


def test_a_run_shows_it_once(drawn, host):
    drawn.evaluate(
        """() => {
            const {graph} = window.app, add = kind => graph.add(window.LiteGraph.createNode(kind));
            add('LoadMotionEmbedding'), add('SaveMotionEmbedding');
            graph.nodes[0].connect(0, graph.nodes[1], 0);
        }"""
    )
    drawn.evaluate(CHOOSE, ["motion", PREVIEWED])
    for _ in range(2):
        browser.run(drawn, host, steps=2)
        wait_for(drawn, [64])
    drawn.evaluate(CHOOSE, ["motion", PLAIN])
    wait_for(drawn, [])
    browser.run(drawn, host, steps=2)
    wait_for(drawn, [])


def test_training_shows_its_loss_what_is_left_and_previews(drawn, host):
    graph = json.loads(FIRST.read_text(encoding="utf-8"))
    trained = next(node["id"] for node in graph["nodes"] if node["type"] == "TrainMotionEmbedding")
    browser.load(drawn, graph)
    drawn.evaluate(LISTEN)
    steps = 6 if drawn.locator("[data-node-id]").count() else 5  # as in no other run, so that it does train
    drawn.evaluate(
        """([node]) => {
            const own = window.app.graph.getNodeById(node);
            own.widgets.find(widget => widget.name === 'preview_every').value = 3;
        }""",
        [trained],
    )
    browser.run(drawn, host, steps=steps)
    seen = drawn.evaluate("() => window.seen")
    assert f"{steps} steps left, memory fast" in seen["texts"]
    assert any(f"0 of {steps} steps left, memory fast" in text and text.startswith("loss 0.") for text in seen["texts"])
    assert seen["pictures"] >= 2
    browser.shoot(drawn, f"training_preview_{steps}")
