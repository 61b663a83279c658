"""Cancelled, out of memory or on a full disk in the middle of a run: the host's model and folders are as before."""

from __future__ import annotations

from functools import cache

import pytest

from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.live_host import Failed, Interrupted

FRAMES = 4
CANCEL, FORWARD, BACKWARD, NONE = "cancel", "forward", "backward", ""
MOTION = "example: figure_eight.safetensors"


def train_embedding(graph, model, latent, wanted, _, **changes):
    return out(graphs.train(graph, model, latent, wanted, **{"preset": "official", "steps": 3, **changes}))


def train_adapter(graph, model, latent, wanted, _, **changes):
    return out(graphs.train_adapter(graph, model, out(latent), wanted, **changes))


def sample_guided(graph, model, latent, wanted, nothing, **changes):
    own = {"optimisation_steps": 1, "restart_end": 0.5} if changes["method"] == "dmt" else {}
    applied = graphs.guide(graph, model, latent, nothing, start=0.0, end=1.0, **own, **changes)
    return graphs.sample(graph, applied, wanted, nothing, frames=FRAMES)


RUNS = {
    "embedding": (train_embedding, {"memory": "balanced"}),
    "embedding with averaged weights": (train_embedding, {"memory": "fast", "steady": "on"}),
    "embedding with previews": (train_embedding, {"memory": "fast", "preview_every": 1}),
    "vmc": (train_adapter, {"recipe": "vmc", "memory": "balanced"}),
    "motion_director": (train_adapter, {"recipe": "motion_director", "memory": "low"}),
    "motion_matcher": (train_adapter, {"recipe": "motion_matcher", "memory": "fast"}),
    "dmt": (sample_guided, {"method": "dmt"}),
    "motion_clone": (sample_guided, {"method": "motion_clone", "memory": "low"}),
}
CASES = [
    ("embedding", CANCEL, 2), ("embedding", FORWARD, 4), ("embedding", BACKWARD, 3),
    ("embedding with averaged weights", CANCEL, 3), ("embedding with averaged weights", FORWARD, 3),
    ("embedding with previews", CANCEL, 2), ("embedding with previews", FORWARD, 8),  # both within a preview
    ("vmc", CANCEL, 1), ("vmc", BACKWARD, 2), ("motion_director", FORWARD, 2), ("motion_matcher", BACKWARD, 1),
    ("dmt", CANCEL, 3), ("dmt", FORWARD, 6), ("motion_clone", CANCEL, 2), ("motion_clone", FORWARD, 3),
]  # fmt: skip


def build(name: str, fault: str = NONE, number: int = 0) -> tuple[Graph, str, str]:
    """A run with a fault; the nodes that say what was made, and what is then in the model."""
    make, changes = RUNS[name]
    graph = Graph()
    model, latent = graphs.load(graph, FRAMES)
    wanted, nothing = graphs.write(graph, model, graphs.REFERENCE), graphs.write(graph, model, "")
    without_memory = number if fault in (FORWARD, BACKWARD) else 0
    armed = out(graph.add("ProbeNoMemoryAt", model=out(model), place=fault, number=without_memory))
    armed = out(graph.add("ProbeCancelAt", model=armed, step=number if fault == CANCEL else 0))
    made = make(graph, armed, latent, wanted, nothing, **changes)
    return graph, probe(graph, made), graph.add("ProbeModel", model=out(model), after=made)


@pytest.fixture(scope="module")
def undisturbed(host):
    """What a run makes, and the model after it."""

    @cache
    def run(name: str) -> tuple[str, str]:
        graph, made, after = build(name)
        results = host.run(graph)
        return results[made], results[after]

    return run


@pytest.fixture(scope="module")
def plain_model(host):
    graph = Graph()
    model, _ = graphs.load(graph, FRAMES)
    node = graph.add("ProbeModel", model=out(model))
    return host.run(graph)[node]


def list_files(host) -> dict[str, bytes]:
    """All motions in the host's folders, and all scratch files."""
    folders = [host.work / name for name in ("models", "output", "temp", "input")]
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(host.work)): path.read_bytes()
        for path in found
        if path.suffix == ".safetensors" or path.name.startswith(".")
    }


@pytest.mark.parametrize("name, fault, number", CASES)
def test_a_fault_in_a_run_leaves_the_hosts_model_as_it_was(host, plain_model, undisturbed, name, fault, number):
    expected, files = undisturbed(name), list_files(host)
    graph, *_ = build(name, fault, number)
    with pytest.raises(Interrupted if fault == CANCEL else Failed) as caught:
        host.run(graph)
    if fault != CANCEL:
        assert "memory" in caught.value.message
    assert list_files(host) == files
    graph, made, after = build(name)
    results = host.run(graph)
    assert (results[made], results[after]) == expected == (expected[0], plain_model)


def save_embedding(graph, times):
    motion = out(graph.add("LoadMotionEmbedding", motion=MOTION))
    armed = out(graph.add("ProbeFullDisk", value=motion, times=times))
    graph.add("SaveMotionEmbedding", motion=armed, name="fault")


def save_adapter(graph, times):
    model, latent = graphs.load(graph, FRAMES)
    adapter = graphs.train_adapter(graph, out(model), out(latent), graphs.write(graph, model, ""), steps=1)
    armed = out(graph.add("ProbeFullDisk", value=out(adapter), times=times))
    graph.add("SaveMotionAdapter", adapter=armed, name="fault", format="motion adapter")


@pytest.mark.parametrize("save, folder", [(save_embedding, "motion_embeddings"), (save_adapter, "motion_adapters")])
def test_a_full_disk_leaves_no_half_motion(host, save, folder):
    def run(times):
        graph = Graph()
        save(graph, times)
        host.wait(host.queue(graph))

    before = list_files(host)
    for saved in ("fault.safetensors", "fault_02.safetensors"):  # with nothing there, then beside a file of that name
        with pytest.raises(Failed, match=r"can't be written \(No space left on device\); check that"):
            run(times=1)
        assert list_files(host) == before
        run(times=0)
        after = list_files(host)
        assert {path: after.get(path) for path in before} == before
        assert after.keys() - before.keys() == {f"models/{folder}/{saved}"}
        before = after


def test_a_preview_that_finds_no_room_costs_no_motion(host):
    def learn(times):
        graph = Graph()
        model, latent = graphs.load(graph, FRAMES)
        armed = out(graph.add("ProbeFullDisk", value=out(model), times=times))
        wanted = graphs.write(graph, model, graphs.REFERENCE)
        made = [train(graph, armed, latent, wanted, None) for train in (train_embedding, train_adapter)]
        nodes = [probe(graph, each) for each in made]
        results = host.run(graph)
        return [results[node] for node in nodes]

    whole = learn(times=0)
    assert learn(times=2) == whole


def test_a_preview_that_finds_no_room_costs_no_picture(host):
    def compare(times):
        graph = Graph()
        clip = out(graph.add("ProbeFullDisk", value=out(graphs.load_clip(graph, frames=FRAMES)), times=times))
        node = probe(graph, out(graph.add("CompareVideos", images_1=clip, images_2=clip)))
        return host.run(graph)[node]

    files = list_files(host)
    whole = compare(times=0)
    assert compare(times=1) == whole and list_files(host) == files
