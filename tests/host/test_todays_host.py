"""What today's host knows beyond older ones, and that it has nothing to say against the pack."""

import re

import pytest

from tests.host import graphs
from tests.host.graphs import Graph, out
from tests.host.live_host import HOW_TO_GET_ONE, PACK, LiveHost, find_host
from tests.host.test_nodes import NODES, start

SHOWING = ("LoadReferenceVideo", "TrainMotionEmbedding", "TrainMotionAdapter", "TrackMotion", "CompareVideos")
ADVANCED = {
    "TrainMotionEmbedding": {
        "learning_rate", "objective", "sites", "layout", "memory", "colourings", "mask", "timesteps", "steady", "grid",
    },
    "TrainMotionAdapter": {"learning_rate", "rank", "memory"},
    "ApplyMotionEmbedding": {"frame_index", "fade"},
    "ApplyMotionAdapter": {"branches", "fade"},
}  # fmt: skip
COMPLAINT = re.compile(r"warn|deprecat|error|traceback|exception", re.IGNORECASE)
OURS = re.compile(r"motion.inversion|motion_core|" + re.escape(str(PACK)), re.IGNORECASE)


def known(host, name, field):
    """What the host says of a node, or a skip where it knows no such field."""
    info = host.ask(f"/object_info/{name}")[name]
    if field not in info:
        pytest.skip(f"this host knows no {field}")
    return info[field]


def inputs_of(host, name):
    inputs = host.ask(f"/object_info/{name}")[name]["input"]
    return [*inputs.get("required", {}).items(), *inputs.get("optional", {}).items()]


def hosts_inputs_fold(host):
    results = host.ask("/object_info").values()
    own = [each["input"] for each in results if each["python_module"].startswith("comfy_extras")]
    widgets = [widget for each in own for kind in ("required", "optional") for widget in each.get(kind, {}).values()]
    return any(len(widget) > 1 and "advanced" in widget[1] for widget in widgets)


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_found_by_other_words(host, name):
    aliases = known(host, name, "search_aliases")
    assert aliases and len(set(aliases)) == len(aliases) and all(word == word.lower() for word in aliases)


@pytest.mark.parametrize("name", SHOWING)
def test_a_cached_node_sends_its_results_again(host, name):
    assert known(host, name, "has_intermediate_output") is True


@pytest.mark.parametrize("name", ADVANCED)
def test_rarely_changed_inputs_are_folded_away(host, name):
    if not hosts_inputs_fold(host):
        pytest.skip("this host folds no inputs away")
    assert {each for each, results in inputs_of(host, name) if results[1].get("advanced")} == ADVANCED[name]


def test_a_second_run_shows_again_what_the_first_one_showed(host):
    known(host, "TrainMotionEmbedding", "has_intermediate_output")

    def run(seed):
        graph, model, _, motion, wanted, nothing = start(seed=7)
        moved = graphs.apply(graph, out(model), motion)
        graphs.probe(graph, graphs.sample(graph, moved, wanted, nothing, seed=seed))
        number = host.queue(graph)
        return host.wait(number), host.kept(number)

    (first, _), (second, kept) = run(1), run(2)
    for name in ("LoadReferenceVideo 1", "TrainMotionEmbedding 1"):
        assert name in kept and first[name]["images"] and second.get(name) == first[name]
    assert "steps" in second["TrainMotionEmbedding 1"]["text"][0]


def test_the_loss_stays_on_the_node_as_a_picture(host):
    graph = Graph()
    model, latent = graphs.load(graph)
    wanted = graphs.write(graph, model, graphs.REFERENCE)
    learnt = graphs.train_adapter(graph, out(model), out(latent), wanted)
    graph.add("ProbeLosses", losses=out(learnt, 1))
    (picture,) = host.wait(host.queue(graph))[learnt]["images"]
    assert picture["type"] == "temp" and (host.work / "temp" / picture["filename"]).read_bytes()[1:4] == b"PNG"


def complaints(log):
    """Lines of a host's log that complain and name the pack, themselves or in the lines beside them."""
    lines = log.splitlines()
    beside = ["\n".join(lines[max(0, number - 2) : number + 3]) for number in range(len(lines))]
    return [line for line, near in zip(lines, beside, strict=True) if COMPLAINT.search(line) and OURS.search(near)]


def test_a_complaint_is_found_beside_the_name_of_its_file():
    warned = f"{PACK}/nodes/extension.py:3: DeprecationWarning: use another\n  import old\nall well"
    assert len(complaints(warned)) == 1 and not complaints("0.1 seconds: /custom_nodes/motion-inversion")
    assert not complaints("WARNING: a neighbour\n\n\n\nmotion-inversion")


def test_the_pack_runs_with_a_clean_log(tmp_path):
    """Neither as it starts nor while the nodes of the first graph run."""
    root = find_host()
    if root is None:
        pytest.skip(HOW_TO_GET_ONE)
    live = LiveHost(root, tmp_path / "host")
    live.start()
    try:
        graph, model, _, motion, wanted, nothing = start()
        moved = graphs.sample(graph, graphs.apply(graph, out(model), motion), wanted, nothing)
        frames = out(graph.add("VAEDecode", samples=moved, vae=out(model, 2)))
        graph.add("PreviewImage", images=frames)
        shown = live.wait(live.queue(graph))
    finally:
        live.stop()
    log = live.log.read_text(errors="replace", encoding="utf-8")
    assert shown["PreviewImage 1"]["images"] and not complaints(log), log[-8000:]
