"""Graphs from earlier versions in the browser: widgets that they lack, and widgets that were removed since."""

import pytest

from tests.ui import browser
from tests.ui.test_unused_widgets import ByVue, OnCanvas

OWN_WIDGETS = {
    "ApplyMotionEmbedding": ["strength_qk", "strength_v", "branches", "start", "end", "fade"],
    "ApplyMotionAdapter": ["strength", "start", "end", "branches", "fade"],
}
OLDER_VALUES = {
    "ApplyMotionEmbedding": [0.5, 0.25, "conditional", 0.1, 0.9, "window"],
    "ApplyMotionAdapter": [0.5, 0.1, 0.9, "all", "conditional"],
}
KINDS = sorted(OWN_WIDGETS)


@pytest.fixture(params=[OnCanvas, ByVue])
def node(request, page):
    browser.always_show_advanced(page, True)
    yield request.param(page)
    browser.draw_by_vue(page, False)
    browser.always_show_advanced(page, False)


def load_with(node, values):
    graph = node.graph
    graph["nodes"][0]["widgets_values"] = values
    node.do("graph.clear()")
    browser.load(node.page, graph)


def settings_in_prompt(node):
    (inputs,) = [each["inputs"] for each in node.prompt.values()]
    return inputs["settings"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_node_takes_the_motions_settings_and_hides_its_own(node, kind):
    node.become(kind)
    assert settings_in_prompt(node) == "motion's"
    assert "settings" in node.names and not set(node.names) & set(OWN_WIDGETS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_without_the_widget_keeps_the_nodes_own_settings(node, kind):
    node.become(kind)
    load_with(node, OLDER_VALUES[kind])
    assert settings_in_prompt(node) == "own"
    assert set(OWN_WIDGETS[kind]) <= set(node.names)
    assert node.saved["widgets_values"] == [*OLDER_VALUES[kind], "own", 0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", ["motion's", "own"])
def test_a_graph_with_the_widget_keeps_its_value(node, kind, settings):
    node.become(kind)
    load_with(node, [*OLDER_VALUES[kind], settings])
    assert settings_in_prompt(node) == settings
    assert set(OWN_WIDGETS[kind]).isdisjoint(node.names) == (settings == "motion's")


def test_removed_options_are_hidden_and_keep_their_place(node):
    node.become("TrainMotionEmbedding")
    every = node.do("return node.widgets.map(w => w.name)")
    assert node.names == [name for name in every if name not in ("pool", "early_stop")]
    values = node.saved["widgets_values"]
    removed = {"pool": 8, "early_stop": "on"}
    older = [removed.get(name, value) for name, value in zip(every, values, strict=True)]
    load_with(node, older)
    assert node.names == [name for name in every if name not in ("pool", "early_stop")]
    assert node.saved["widgets_values"] == older
