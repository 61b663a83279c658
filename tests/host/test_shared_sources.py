"""A missing motion is an error that says where the graph, by the frontend's own convention, says to get it."""

import json
import urllib.error

import pytest

from tests.host.graphs import Graph, out

URL = "https://example.com/motions/lost.safetensors?download=true"
NAME = "sub/lost.safetensors"
KINDS = {
    "LoadMotionEmbedding": ("motion", "motion_embeddings"),
    "LoadMotionAdapter": ("adapter", "motion_adapters"),
}


def refuse(host, kind, models, *, inside=False):
    """What the host answers to a run of a graph whose node has these models."""
    name, _ = KINDS[kind]
    graph = Graph()
    loaded = graph.add(kind, **{name: NAME})
    saver = "SaveMotionEmbedding" if name == "motion" else "SaveMotionAdapter"
    others = {} if name == "motion" else {"format": "motion adapter"}
    graph.add(saver, **{name: out(loaded), "name": "never", **others})
    nodes = [{"id": 1, "type": kind, "properties": {"models": models}}]
    workflow = {"nodes": [], "definitions": {"subgraphs": [{"nodes": nodes}]}} if inside else {"nodes": nodes}
    with pytest.raises(urllib.error.HTTPError) as caught:
        host.ask("/prompt", {"prompt": graph, "extra_data": {"extra_pnginfo": {"workflow": workflow}}})
    errors = json.loads(caught.value.read())["node_errors"][loaded]["errors"]
    return errors[0]["details"]


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_sentence_says_name_folder_and_source(host, kind, inside):
    folder = KINDS[kind][1]
    sentence = refuse(host, kind, [{"name": NAME, "url": URL, "directory": folder}], inside=inside)
    assert "lost.safetensors is not in" in sentence and f"models/{folder}" in sentence
    assert f"get it from {URL} and put it there" in sentence


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "models",
    [
        None,
        [],
        "models",
        {"name": NAME},
        [None, 1, "x", [], {}],
        [{"name": NAME, "url": URL, "directory": "loras"}],
        [{"name": "other.safetensors", "url": URL, "directory": "motion_embeddings"}],
        [{"name": NAME, "url": "file:///etc/passwd", "directory": "motion_embeddings"}],
        [{"name": NAME, "url": "https://example.com/a\nb", "directory": "motion_embeddings"}],
        [{"name": NAME, "url": "https://example.com/" + "a" * 5000, "directory": "motion_embeddings"}],
        [{"name": [NAME], "url": {}, "directory": 5}],
    ],
    ids=str,
)
def test_what_names_no_source_of_it_changes_nothing(host, kind, models):
    sentence = refuse(host, kind, models)
    assert sentence.endswith("put it there and press R to refresh the list") and "get it from" not in sentence


def test_the_next_run_does_not_know_the_source_of_the_one_before(host):
    assert URL in refuse(host, "LoadMotionEmbedding", [{"name": NAME, "url": URL, "directory": "motion_embeddings"}])
    assert URL not in refuse(host, "LoadMotionEmbedding", [])
