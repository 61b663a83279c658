"""MODELs as the host's dynamic VRAM makes them, by a stand-in: their weights are not in place while they run."""

import pytest

from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.live_host import Failed

FRAMES = 4


def start(host, *, cached=True, reloadable=True):
    """The starter, as it is and as dynamic VRAM makes it; the second has sampled under inference mode."""
    if not _knows_dynamic_vram(host):
        pytest.skip("this ComfyUI has no dynamic VRAM")
    host.forget()  # else the copy of an earlier test would be there
    graph = Graph()
    model, latent = graphs.load(graph, FRAMES)
    wanted, nothing = (graphs.write(graph, model, text) for text in (graphs.REFERENCE, ""))
    dynamic = out(graph.add("ProbeDynamic", model=out(model), cached=cached, reloadable=reloadable))
    sampled = sample(graph, dynamic, wanted, nothing)
    probe(graph, sampled)
    host.run(graph)
    return graph, out(model), dynamic, latent, wanted, nothing


def _knows_dynamic_vram(host):
    return (host.root / "comfy" / "memory_management.py").is_file()


def sample(graph, model, wanted, nothing):
    return graphs.sample(graph, model, wanted, nothing, steps=2, frames=FRAMES)


def differ(graph, one, other):
    return graph.add("ProbeDifference", first=one, second=other)


def copies_of(host):
    return host.log.read_text(encoding="utf-8").count("ProbeDynamic loads a copy")


@pytest.mark.parametrize("cached", [True, False])
def test_a_motion_is_learnt_and_applied_as_on_a_static_model(host, cached):
    graph, plain, dynamic, latent, wanted, nothing = start(host, cached=cached)
    learnt = [graphs.train(graph, model, latent, wanted, sites="all") for model in (plain, dynamic)]
    losses = [graph.add("ProbeLosses", losses=out(node, 1)) for node in learnt]
    pairs = (plain, learnt[0]), (dynamic, learnt[0]), (plain, learnt[1])
    made = [sample(graph, graphs.apply(graph, model, out(node)), wanted, nothing) for model, node in pairs]
    untouched = sample(graph, plain, wanted, nothing)
    applied, trained, moved = (differ(graph, made[0], other) for other in (*made[1:], untouched))
    results = host.run(graph)
    expected, found = ([float(loss) for loss in results[node].split()] for node in losses)
    assert found == pytest.approx(expected, rel=1e-4)
    assert float(results[applied]) < 1e-3 * float(results[moved])
    assert float(results[trained]) < 1e-1 * float(results[moved])  # Adam's first steps make much of rounding
    assert "learnt on a copy of the model" in results[learnt[1]] and "copy" not in results[learnt[0]]


def test_the_copy_is_loaded_once_and_the_model_stays_as_it_was(host):
    graph, _, dynamic, latent, wanted, _ = start(host)
    before = host.run({**graph, "before": {"class_type": "ProbeModel", "inputs": {"model": dynamic}}})["before"]
    loaded = copies_of(host)
    first = graphs.train(graph, dynamic, latent, wanted)
    clone = graphs.apply(graph, dynamic, out(first))
    second = graphs.train(graph, clone, latent, wanted, seed=1)
    after = graph.add("ProbeModel", model=dynamic, after=out(second))
    results = host.run(graph)
    assert copies_of(host) == loaded + 1
    assert results[after] == before


def test_an_adapter_is_learnt_as_on_a_static_model(host):
    graph, plain, dynamic, latent, wanted, nothing = start(host)
    adapters = [out(graphs.train_adapter(graph, model, out(latent), wanted)) for model in (plain, dynamic)]
    made = [sample(graph, graphs.apply_adapter(graph, plain, adapter), wanted, nothing) for adapter in adapters]
    trained, moved = (differ(graph, made[0], other) for other in (made[1], sample(graph, plain, wanted, nothing)))
    results = host.run(graph)
    assert float(results[trained]) < 1e-1 * float(results[moved])


@pytest.mark.parametrize("method", ["motion_clone", "dmt"])
def test_guidance_is_as_on_a_static_model(host, method):
    graph, plain, dynamic, latent, wanted, nothing = start(host)
    text = nothing if method == "motion_clone" else wanted
    guided = [graphs.guide(graph, model, latent, text, method=method, end=1.0) for model in (plain, dynamic)]
    made = [sample(graph, model, wanted, nothing) for model in guided]
    same, moved = (differ(graph, made[0], other) for other in (made[1], sample(graph, plain, wanted, nothing)))
    results = host.run(graph)
    assert float(results[same]) < 1e-2 * float(results[moved])


def test_a_loader_that_makes_no_copies_is_named_in_one_sentence(host):
    graph, _, dynamic, latent, wanted, nothing = start(host, reloadable=False)
    for node in (
        out(graphs.train(graph, dynamic, latent, wanted)),
        graphs.guide(graph, dynamic, latent, nothing),
    ):
        wrong = {**graph}
        probe_name = graphs.probe(graph, node)
        wrong[probe_name] = graph.pop(probe_name)
        with pytest.raises(Failed) as caught:
            host.run(wrong)
        assert "its loader makes none" in caught.value.message and "--disable-dynamic-vram" in caught.value.message
        graph.pop(node[0])


def test_a_layer_that_the_host_keeps_elsewhere_is_named_in_one_sentence(host):
    graph, plain, _, latent, wanted, nothing = start(host)
    elsewhere = out(graph.add("ProbeElsewhere", model=plain))
    motion = probe(graph, out(graphs.train(graph, elsewhere, latent, wanted)))
    with pytest.raises(Failed, match="the host keeps .* on meta and gradients need all weights on cpu"):
        host.run(graph)
    del graph[motion]
    probe(graph, sample(graph, graphs.guide(graph, elsewhere, latent, nothing), wanted, nothing))
    with pytest.raises(Failed, match="the host keeps .* on meta"):
        host.run(graph)


def test_the_host_can_load_each_part_of_a_model_again(host):
    start(host)
    graph = Graph()
    model, _ = graphs.load(graph, FRAMES)
    again = graph.add("ProbeReloaded", model=out(model), clip=out(model, 1), vae=out(model, 2))
    results = []
    for node in (model, again):
        wanted, nothing = (graphs.write(graph, node, text) for text in (graphs.REFERENCE, ""))
        made = sample(graph, out(node), wanted, nothing)
        results.append(made)
        results.append(out(graph.add("VAEEncode", pixels=out(graph.add("VAEDecode", samples=made, vae=out(node, 2))),
                                  vae=out(node, 2))))  # fmt: skip
    sampled, decoded = (differ(graph, *pair) for pair in (results[::2], results[1::2]))
    found = host.run(graph)
    assert float(found[sampled]) < 1e-3 and float(found[decoded]) < 1e-2


def test_off_the_cpu_weights_stay_as_stored_and_ordinary_ones_stay_ordinary(host):
    graph = Graph()
    node = graph.add("ProbeOffCpu", model=graphs.STARTER)
    assert host.run(graph)[node] == "torch.float16 False False False True"
