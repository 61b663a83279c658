"""The pack in each language that the frontend has, as a person sees it."""

import pytest

from tests.ui import browser
from tests.ui.test_template_titles import open_templates
from tools.write_locales import LOCALES, list_languages, read_json

SHOWN = """name => {
    const node = window.LiteGraph.createNode(name);
    const label = slot => slot.label ?? slot.localized_name ?? slot.name;
    const widgets = (node.widgets ?? []).filter(w => w.type !== 'button');
    return {
        title: node.title, inputs: Object.fromEntries((node.inputs ?? []).map(s => [s.name, label(s)])),
        outputs: (node.outputs ?? []).map(label),
        widgets: Object.fromEntries(widgets.map(w => [w.name, w.label ?? w.name])),
    };
}"""


def speak(page, language):
    """Chooses the language as a person does, and starts anew: labels of nodes that were there before are kept.

    Returns the language that the frontend then has.
    """
    page.evaluate("language => window.app.extensionManager.setting.set('Comfy.Locale', language)", language)
    page.wait_for_timeout(1000)
    page.reload()
    page.wait_for_function(browser.READY, timeout=120_000)
    return page.evaluate("() => window.app.extensionManager.setting.get('Comfy.Locale')")


@pytest.fixture(scope="module", params=["en", *list_languages()])
def language(page, request):
    if speak(page, request.param) != request.param:
        pytest.skip(f"this frontend has no {request.param} yet")
    yield request.param
    speak(page, "en")


def test_nodes_are_named_in_the_language(page, language):
    texts = read_json(LOCALES / language / "nodeDefs.json")
    for name, expected in texts.items():
        shown = page.evaluate(SHOWN, name)
        assert shown["title"] == expected["display_name"], name
        named = {key: value["name"] for key, value in expected["inputs"].items()}
        for key, label in (shown["inputs"] | shown["widgets"]).items():
            if key in named:
                assert label == named[key], (name, key)
        assert shown["outputs"] == [output["name"] for output in expected["outputs"].values()], name


@pytest.mark.parametrize("by_vue", (False, True))
def test_nodes_on_the_canvas_are_translated(page, language, by_vue):
    """Keeps a picture to be looked at."""
    browser.draw_by_vue(page, by_vue)
    page.evaluate(
        """names => {
            const {graph} = window.app;
            graph.clear();
            let left = 0;
            for (const name of names) {
                const node = window.LiteGraph.createNode(name);
                node.pos = [left, 0];
                graph.add(node);
                left += node.size[0] + 60;
            }
        }""",
        ["LoadReferenceVideo", "TrainMotionEmbedding", "ApplyMotionEmbedding", "InversionNoiseMix"],
    )
    browser.settle(page)
    browser.shoot(page, f"language_{language}_{'vue' if by_vue else 'canvas'}")
    titles = page.evaluate("() => window.app.graph.nodes.map(node => node.title)")
    labels = page.evaluate(
        "() => Object.fromEntries(window.app.graph.nodes[0].widgets.map(widget => [widget.name, widget.label]))"
    )
    browser.draw_by_vue(page, False)
    page.evaluate("() => window.app.graph.clear()")
    texts = read_json(LOCALES / language / "nodeDefs.json")["LoadReferenceVideo"]
    assert titles[0] == texts["display_name"]
    for name in ("frames", "width", "reversed"):
        assert labels[name] == texts["inputs"][name]["name"]


def test_tooltips_are_in_the_language(page, language):
    """The frontend finds a tooltip where it looks for one."""
    texts = read_json(LOCALES / language / "nodeDefs.json")["TrainMotionEmbedding"]["inputs"]
    page.evaluate(
        "() => { const g = window.app.graph; g.clear(); g.add(window.LiteGraph.createNode('TrainMotionEmbedding')); }"
    )
    browser.draw_by_vue(page, True)
    label = page.locator("[data-node-id]").get_by_text(texts["preset"]["name"], exact=True).first
    label.hover()
    page.get_by_text(texts["preset"]["tooltip"]).first.wait_for(timeout=5000)
    page.mouse.move(5, 5)
    browser.draw_by_vue(page, False)
    page.evaluate("() => window.app.graph.clear()")


def test_graphs_are_titled_in_the_language(page, language):
    texts = read_json(LOCALES / language / "main.json")["templateWorkflows"]["template"]["Motion Inversion"]
    with open_templates(page) as cards:
        shown = cards.locator("h3").all_inner_texts()
    assert shown and set(shown) <= set(texts.values())
