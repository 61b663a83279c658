"""Apply obeys what a motion suggests, and graphs from before it could keep their values."""

import pytest

from motion_core.motions.motion import suggested_settings
from motion_core.recipes.motion_inversion import CAMERA, STARTER
from tests.host import graphs
from tests.host.graphs import Graph, out, probe


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
    said = host.run(graph)
    followed, chosen, without = (said[node] for node in nodes)
    assert followed == chosen != without
    for name, value in recipe.apply.items():
        assert f"{name} {value}" in said[suggested[0]]


def test_a_debiased_motion_is_not_debiased_again(host):
    graph, model, motion, wanted, nothing = begin("starter")
    difference = out(graph.add("DebiasValueEmbedding", motion=motion, mode="difference"))
    suggested = graphs.apply(graph, model, difference, settings="motion's")
    own = graphs.apply(graph, model, difference, settings="own", strength_v=1.5, branches="conditional", end=0.35)
    nodes = [probe(graph, graphs.sample(graph, each, wanted, nothing)) for each in (suggested, own)]
    said = host.run(graph)
    assert said[nodes[0]] == said[nodes[1]]


def test_a_graph_without_the_widget_keeps_its_values(host):
    graph, model, motion, wanted, nothing = begin("camera")
    older, own = graphs.apply(graph, model, motion), graphs.apply(graph, model, motion, settings="own")
    nodes = [probe(graph, graphs.sample(graph, each, wanted, nothing)) for each in (older, own)]
    said = host.run(graph)
    assert said[nodes[0]] == said[nodes[1]]


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
    said = host.run(graph)
    followed, chosen, without = (said[node] for node in nodes)
    assert followed == chosen != without and "end 0.5" in said[suggested[0]]


def test_what_is_suggested_is_what_the_core_takes():
    from motion_core.motions.embedding import MotionEmbedding
    from motion_core.motions.origin import Origin
    from tests.conftest import seeded

    motion = MotionEmbedding(
        "zeroscope", {"a": seeded(1, 2, 3)}, {"a": seeded(4, 2, 3)}, {"a": (2, 2)}, Origin(recipe=CAMERA.describe())
    )
    assert suggested_settings(motion).strength_v == 0 and suggested_settings(motion, strength_v=0.5).strength_v == 0.5
