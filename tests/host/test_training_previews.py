"""Previews of a motion while it is trained: they change nothing, and one that fails is no more than logged."""

from functools import partial

import pytest

from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.previews import NO_PREVIEW, check_previews, height_of, read_log

PROMPT = "a blue square on a green ground"


def begin():
    graph = Graph()
    model, latent = graphs.load(graph)
    return graph, model, latent, graphs.write(graph, model, graphs.REFERENCE)


def learn(graph, kind, model, latent, wanted, **changes):
    if kind == "embedding":
        return graphs.train(graph, out(model), latent, wanted, **changes)
    return graphs.train_adapter(graph, out(model), out(latent), wanted, recipe=kind, steps=3, **changes)


@pytest.mark.parametrize("kind", ["embedding", "motion_director"])
def test_previews_are_shown_and_change_nothing_that_is_learnt(host, kind):
    graph, model, latent, wanted = begin()
    other = graphs.write(graph, model, PROMPT)
    shown = [
        {"preview_every": 2},
        {"preview_every": 1, "preview": other},
        {"preview_every": 3, "preview": other, "vae": out(model, 2)},
    ]
    hidden = [{"preview_every": 0, "preview": other, "vae": out(model, 2)}]
    check_previews(host, graph, out(model), partial(learn, graph, kind, model, latent, wanted), shown, hidden)


def test_a_preview_that_fails_is_logged_and_training_goes_on(host):
    graph, model, latent, wanted = begin()
    wan = graph.add("LoadVideoDiffusionModel", model="Wan starter (comes with Motion Inversion)", dtype="as stored")
    foreign = out(graph.add("ProbeNarrowText", positive=wanted))
    asked = [{}, {"vae": out(wan, 2), "preview_every": 1}, {"preview": foreign, "preview_every": 1}]
    learnt = [learn(graph, "embedding", model, latent, wanted, **each) for each in asked]
    nodes = [probe(graph, out(node)) for node in learnt]
    logged = len(read_log(host))
    outputs = host.wait(host.queue(graph))
    assert len({outputs[node]["text"][0] for node in nodes}) == 1
    assert len({height_of(host, outputs[node]) for node in learnt}) == 1
    assert read_log(host, logged).count(f"{NO_PREVIEW} at step 1: ") == 2
