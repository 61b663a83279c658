"""Three hundred hostile names and prompts for each loading node, through the API: each is refused in one sentence, and
nothing outside the host's folders is read or written.
"""

import shutil

import pytest

from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.live_host import Failed, Refused
from tests.material.hostile_names import OTHERS, SECRET, TEXTS
from tests.quick.unit import test_embedding

VALIDATED = {
    "LoadMotionEmbedding": ("motion", {}),
    "LoadMotionAdapter": ("adapter", {}),
    "LoadVideoDiffusionModel": ("model", {"dtype": "as stored"}),
    "TrackMotion": ("weights", {"tracker": "auto", "spacing": 0}),
}
"""Nodes that look at their name before a run, the name's input, and the other inputs."""
RIGHT = {"TrackMotion": {"none"}}
"""What is a right name after all."""


@pytest.fixture(autouse=True)
def untouched(host):
    """Good motion files all around the folders, that must not be found, and nothing there that was not there before."""
    graph = Graph()
    probe(graph, out(graphs.load_clip(graph)))
    host.run(graph)  # what a first run makes is there
    for folder in (host.work, host.work / "models", host.work.parent):
        test_embedding.make().save(folder / SECRET)

    own = [*saved_in(host), host.work / "temp"]

    def seen():
        files = [path for path in host.work.parent.rglob("*") if path.is_file() and path != host.log]
        return {path: path.stat().st_mtime_ns for path in files if not any(path.is_relative_to(f) for f in own)}

    before = seen()
    yield
    assert seen() == before and host.process.poll() is None and host.ask("/system_stats")


def saved_in(host):
    return [host.work / "models" / name for name in ("motion_embeddings", "motion_adapters")]


def refusals(host, graph) -> dict[str, list[dict]]:
    with pytest.raises(Refused) as caught:
        host.queue(graph)
    return {node: found["errors"] for node, found in caught.value.message["node_errors"].items()}


def answers(host, made) -> dict[str, Failed | None]:
    """Run a graph for each of the texts, one after the other; what each failed with, if it did."""
    numbers = {text: host.queue(graph) for text, graph in made}
    results: dict[str, Failed | None] = {}
    for text, number in numbers.items():
        try:
            results[text] = host.wait(number) and None
        except Failed as failed:
            results[text] = failed
    return results


def assert_a_sentence(results: str):
    assert results.isprintable() and 20 < len(results) < 1600 and "Traceback" not in results, results


@pytest.mark.parametrize("loader", VALIDATED)
def test_each_hostile_name_is_refused_before_a_run(host, loader):
    graph, (own, usual) = Graph(), VALIDATED[loader]
    if loader == "TrackMotion":
        usual = {**usual, "images": out(graphs.load_clip(graph))}
    nodes = [graph.add(loader, **{**usual, own: text}) for text in TEXTS if text not in RIGHT.get(loader, ())]
    for node in nodes:
        probe(graph, out(node))
    refused = refusals(host, graph)
    assert len(nodes) >= 299 and set(nodes) <= set(refused)
    for node in nodes:
        (error,) = refused[node]
        assert error["type"] == "custom_validation_failed", error
        assert_a_sentence(error["details"])


def test_each_hostile_name_of_a_clip_is_refused(host):
    def loading(text):
        graph = Graph()
        probe(graph, out(graphs.load_clip(graph, video=text)))
        return graph

    results = answers(host, ((text, loading(text)) for text in TEXTS))
    assert len(results) == 300
    for failed in results.values():
        assert failed is not None and failed.node == "LoadReferenceVideo"
        assert_a_sentence(failed.message)


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_values_that_are_no_file_name_are_refused(host, other):
    for loader, (own, usual) in VALIDATED.items():
        graph = Graph()
        more = {"images": out(graphs.load_clip(graph))} if loader == "TrackMotion" else {}
        probe(graph, out(graph.add(loader, **{**usual, **more, own: other})))
        with pytest.raises((Refused, Failed)):
            host.wait(host.queue(graph))


@pytest.mark.parametrize("saver", ["SaveMotionEmbedding", "SaveMotionAdapter"])
def test_each_hostile_name_to_save_under_is_refused_or_kept_inside(host, saver):
    def saving(text):
        graph = Graph()
        model, latent = graphs.load(graph, 4)
        nothing = graphs.write(graph, model, "")
        if saver == "SaveMotionEmbedding":
            loaded = out(graph.add("LoadMotionEmbedding", motion="example: figure_eight.safetensors"))
            graph.add(saver, motion=loaded, name=text)
        else:
            adapter = graphs.train_adapter(graph, out(model), out(latent), nothing, steps=1)
            graph.add(saver, adapter=out(adapter), name=text, format="motion adapter")
        return graph

    results = answers(host, ((text, saving(text)) for text in TEXTS))
    refused = [failed for failed in results.values() if failed]
    assert len(refused) > 150
    for failed in refused:
        assert failed.node == saver
        assert_a_sentence(failed.message)
    for folder in saved_in(host):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()


def test_each_hostile_prompt_is_encoded(host):
    """Half characters too, which no tokenizer takes."""
    graph = Graph()
    model, _ = graphs.load(graph)
    nodes = [probe(graph, graphs.write(graph, model, text)) for text in TEXTS if len(text) < 10_000]
    results = host.run(graph)
    assert set(nodes) <= set(results)
