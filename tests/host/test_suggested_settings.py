"""Apply obeys what a motion suggests, and graphs from before it could keep their values."""

import json

import pytest

from motion_core.motions.apply_settings import AdapterSettings, EmbeddingSettings, merge_settings
from motion_core.motions.embedding import MotionEmbedding
from motion_core.motions.motion import suggested_settings
from motion_core.recipes.catalogue import find_recipe
from motion_core.recipes.motion_inversion import CAMERA, STARTER
from motion_core.starter.folder import MOTION_FOLDER
from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.live_host import PACK

LATER = ("05", "15", "16")
"""Graphs that were made when Apply already followed a motion, and need no Debias node."""
KINDS = {"ApplyMotionEmbedding": EmbeddingSettings, "ApplyMotionAdapter": AdapterSettings}


def begin(preset):
    graph = Graph()
    model, latent = graphs.load(graph)
    reference, wanted, nothing = (graphs.write(graph, model, text) for text in (graphs.REFERENCE, "a square", ""))
    motion = out(graphs.train(graph, out(model), latent, reference, preset=preset, learning_rate=0.1))
    return graph, out(model), motion, wanted, nothing


@pytest.mark.parametrize("recipe", [CAMERA, STARTER], ids=lambda recipe: recipe.preset)
def test_apply_with_its_defaults_is_as_the_motion_suggests(host, recipe):
    graph, model, motion, wanted, nothing = begin(recipe.preset)
    usual = graphs.defaults(host, "ApplyMotionEmbedding")
    assert usual["settings"] == "motion's"
    suggested = out(graph.add("ApplyMotionEmbedding", model=model, motion=motion, **usual))
    debiased = {name: value for name, value in recipe.apply.items() if name != "debias"}
    by_hand = out(graph.add("DebiasValueEmbedding", motion=motion, mode=recipe.apply.get("debias", "difference")))
    own = graphs.apply(graph, model, by_hand, settings="own", **debiased)
    ignored = graphs.apply(graph, model, motion, settings="own")
    nodes = [probe(graph, graphs.sample(graph, each, wanted, nothing)) for each in (suggested, own, ignored)]
    results = host.run(graph)
    followed, chosen, without = (results[node] for node in nodes)
    assert followed == chosen != without
    words = {"end": "0 to {:g}", "debias": "debias {}", "branches": "branches {}", "strength_v": "strength_v {:g}"}
    for name, value in recipe.apply.items():
        assert words[name].format(value) in results[suggested[0]]
    assert results[suggested[0]].endswith("In effect: these.")
    assert results[own[0]].endswith("In effect, by the widgets: these.")
    other = results[ignored[0]].splitlines()[1]
    assert other.startswith("In effect, by the widgets: ") and other.endswith("; else as suggested.")
    assert all(name in other for name in recipe.apply if name not in ("end", "branches"))


def test_a_debiased_motion_is_not_debiased_again(host):
    graph, model, motion, wanted, nothing = begin("starter")
    difference = out(graph.add("DebiasValueEmbedding", motion=motion, mode="difference"))
    suggested = graphs.apply(graph, model, difference, settings="motion's")
    chosen = {name: value for name, value in STARTER.apply.items() if name != "debias"}
    own = graphs.apply(graph, model, difference, settings="own", **chosen)
    nodes = [probe(graph, graphs.sample(graph, each, wanted, nothing)) for each in (suggested, own)]
    results = host.run(graph)
    assert results[nodes[0]] == results[nodes[1]]


def test_a_graph_without_the_widget_keeps_its_values(host):
    graph, model, motion, wanted, nothing = begin("camera")
    older, own = graphs.apply(graph, model, motion), graphs.apply(graph, model, motion, settings="own")
    nodes = [probe(graph, graphs.sample(graph, each, wanted, nothing)) for each in (older, own)]
    results = host.run(graph)
    assert results[nodes[0]] == results[nodes[1]]


def test_an_adapter_is_applied_as_it_suggests(host):
    graph = Graph()
    model, latent = graphs.load(graph, frames=4)
    wanted, nothing = (graphs.write(graph, model, text) for text in ("a square", ""))
    adapter = out(graphs.train_adapter(graph, out(model), out(latent), wanted, recipe="motion_matcher"))
    usual = graphs.defaults(host, "ApplyMotionAdapter")
    suggested = out(graph.add("ApplyMotionAdapter", model=out(model), adapter=adapter, **usual))
    own, ignored = (graphs.apply_adapter(graph, out(model), adapter, settings="own", end=end) for end in (0.5, 1.0))
    made = [graphs.sample(graph, each, wanted, nothing, frames=4, steps=4) for each in (suggested, own, ignored)]
    nodes = [probe(graph, each) for each in made]
    results = host.run(graph)
    followed, chosen, without = (results[node] for node in nodes)
    assert followed == chosen != without and "0 to 0.5" in results[suggested[0]]


def test_suggested_settings_are_those_of_the_core():
    from motion_core.motions.origin import Origin
    from tests.conftest import seeded

    motion = MotionEmbedding(
        "zeroscope", {"a": seeded(1, 2, 3)}, {"a": seeded(4, 2, 3)}, {"a": (2, 2)}, Origin(recipe=CAMERA.describe())
    )
    assert suggested_settings(motion).strength_v == 0 and suggested_settings(motion, strength_v=0.5).strength_v == 0.5


def find_suggestion(graph, node):
    """What the motion that comes into an Apply node of a shipped graph suggests, and how a Debias node debiased it."""
    nodes = {each["id"]: each for each in graph["nodes"]}
    sources = {number: nodes[source] for number, source, *_ in graph["links"]}
    debias = None
    while True:
        motion = next(each for each in node["inputs"] if each["name"] in ("motion", "adapter"))
        node = sources[motion["link"]]
        values = node["widgets_values"]
        if node["type"] == "TrainMotionEmbedding":
            return find_recipe("motion_inversion", values[0]).apply, debias
        if node["type"] == "TrainMotionAdapter":
            return find_recipe(*values[:2]).apply, debias
        if node["type"] == "LoadMotionEmbedding":
            return MotionEmbedding.load(MOTION_FOLDER / values[0].removeprefix("example: ")).origin.suggestion, debias
        debias = values[0]


@pytest.mark.parametrize("path", sorted((PACK / "workflows").glob("*.json")), ids=lambda path: path.stem)
def test_a_shipped_graph_makes_the_same_by_the_motions_settings_as_by_its_own(path):
    graph = json.loads(path.read_text(encoding="utf-8"))
    for node in graph["nodes"]:
        named = node.get("widgets_values_named", {})
        if node["type"] not in KINDS or named["settings"] == "own":
            continue
        suggestion, debias = find_suggestion(graph, node)
        suggested = merge_settings(KINDS[node["type"]], suggestion)
        own = {name: value for name, value in named.items() if hasattr(suggested, name)}
        assert own == {name: getattr(suggested, name) for name in own}
        if node["type"] == "ApplyMotionEmbedding" and suggested.strength_v and not path.stem.startswith(LATER):
            assert debias == suggested.debias
