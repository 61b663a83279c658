"""What a person gets wrong in a graph: each one sentence, and nothing outside the host's folders is touched."""

import pytest
import torch

from motion_core.motions.embedding import MotionEmbedding
from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.links import link
from tests.host.live_host import Failed, Refused

ESCAPES = ("../secret", "/etc/passwd", "\\\\server\\share\\x", "a\x00b", "C:\\x", "..", "folder/../../x", "")


def error_of(host, graph) -> str:
    with pytest.raises((Failed, Refused)) as caught:
        host.run(graph)
    return str(caught.value.message)


def reference(**changes):
    graph = Graph()
    probe(graph, out(graphs.load_clip(graph, **changes)))
    return graph


@pytest.mark.parametrize("name", [*ESCAPES, "example: ../../../../README.md", "example: /etc/passwd"])
def test_a_clip_outside_the_input_folder(host, name):
    assert "Traceback" not in error_of(host, reference(video=name))


def test_a_link_out_of_the_input_folder(host, tmp_path):
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    linked = host.work / "input" / "link.mp4"
    link(linked, tmp_path / "secret.mp4")
    assert "leads out" in error_of(host, reference(video="link.mp4"))
    linked.unlink()


@pytest.mark.parametrize(
    "changes",
    [{"frames": 1}, {"frames": 5000}, {"start": -1}, {"every": 0}, {"width": 63}, {"width": 9000}, {"fit": "x"}],
)
def test_a_reference_out_of_range(host, changes):
    assert next(iter(changes)) in error_of(host, reference(**changes))


def test_a_reference_too_short(host):
    assert "16" in error_of(host, reference(frames=17))


@pytest.mark.parametrize("name", ESCAPES)
def test_a_motion_saved_outside_its_folder(host, name):
    graph = Graph()
    model, latent = graphs.load(graph)
    motion = out(graphs.train(graph, out(model), latent, graphs.write(graph, model, ""), steps=1))
    graph.add("SaveMotionEmbedding", motion=motion, name=name)
    before = sorted(path for path in host.work.rglob("*.safetensors"))
    assert "name" in error_of(host, graph)
    assert sorted(path for path in host.work.rglob("*.safetensors")) == before


def test_a_motion_saved_through_a_linked_folder(host, tmp_path):
    folder = host.work / "models" / "motion_embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    link(folder / "away", tmp_path)
    graph = Graph()
    model, latent = graphs.load(graph)
    motion = out(graphs.train(graph, out(model), latent, graphs.write(graph, model, ""), steps=1))
    graph.add("SaveMotionEmbedding", motion=motion, name="away/x")
    assert "leads out" in error_of(host, graph)
    assert not list(tmp_path.iterdir())
    (folder / "away").unlink()


@pytest.mark.parametrize("name", ESCAPES)
def test_a_motion_or_model_loaded_from_outside(host, name):
    graph = Graph()
    probe(graph, out(graph.add("LoadMotionEmbedding", motion=name)))
    assert error_of(host, graph)
    graph = Graph()
    graph.add("ProbeModel", model=out(graph.add("LoadVideoDiffusionModel", model=name, dtype="as stored")))
    assert error_of(host, graph)


@pytest.mark.parametrize(
    "changes",
    [{"steps": -1}, {"learning_rate": 50.0}, {"preset": "x"}, {"memory": "huge"}, {"seed": -1}, {"colourings": 5},
     {"steady": "x"}],
)  # fmt: skip
def test_training_options_out_of_range(host, changes):
    graph = Graph()
    model, latent = graphs.load(graph)
    motion = graphs.train(graph, out(model), latent, graphs.write(graph, model, ""), **changes)
    probe(graph, out(motion))
    assert next(iter(changes)) in error_of(host, graph)


def test_unreadable_timesteps_are_refused(host):
    graph = Graph()
    model, latent = graphs.load(graph)
    probe(graph, out(graphs.train(graph, out(model), latent, graphs.write(graph, model, ""), timesteps="x-y")))
    assert "timesteps is 'x-y'; use all, a range such as 500-999, or coarse:0.5" in error_of(host, graph)


def test_a_missing_input(host):
    graph = Graph()
    graph.add("ProbeDigest", value=out(graph.add("DebiasValueEmbedding", mode="mean")))
    assert "motion" in error_of(host, graph)


def test_a_latent_that_is_no_clip(host):
    graph = Graph()
    model, _ = graphs.load(graph)
    one = graph.add("EmptyLatentImage", width=64, height=64, batch_size=1)
    probe(graph, out(graphs.train(graph, out(model), one, graphs.write(graph, model, ""))))
    assert "at least 2" in error_of(host, graph)


def test_noise_of_another_length_than_the_latent(host):
    graph = Graph()
    model, latent = graphs.load(graph)
    nothing = graphs.write(graph, model, "")
    inverted = graph.add("InvertReferenceVideo", model=out(model), latent=out(latent), positive=nothing, steps=2)
    mixed = graph.add("InversionNoiseMix", inverted=out(inverted), method="blend", beta=0.5, factor=4, seed=0)
    probe(graph, graphs.sample_custom(graph, out(model), nothing, nothing, out(mixed), steps=2, frames=8))
    assert "frames" in error_of(host, graph)


def test_a_latent_that_was_never_inverted(host):
    graph = Graph()
    _, latent = graphs.load(graph)
    probe(
        graph,
        out(graph.add("InversionNoiseMix", inverted=out(latent), method="blend", beta=0.5, factor=4, seed=0)),
    )
    assert "Invert Reference Video" in error_of(host, graph)


def foreign(host, family, channels):
    """A motion file that does not belong to the starter, in the host's folder."""
    block = "down_blocks.0.temp_attentions.0.transformer_blocks.0"
    if family == "animatediff":
        block = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0"
    v = {f"{block}.{own}": torch.ones(4, 16, channels) for own in ("attn1", "attn2")}
    embedding = MotionEmbedding(family, {block: torch.ones(1, 16, channels)}, v, {block: (2, 2)})
    folder = host.work / "models" / "motion_embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    embedding.save(folder / f"{family}{channels}.safetensors")
    return f"{family}{channels}.safetensors"


@pytest.mark.parametrize("family, channels, says", [("zeroscope", 7, "channels"), ("animatediff", 8, "family")])
def test_a_motion_of_another_model(host, family, channels, says):
    graph = Graph()
    model, _ = graphs.load(graph)
    motion = out(graph.add("LoadMotionEmbedding", motion=foreign(host, family, channels)))
    graph.add("ProbeModel", model=graphs.apply(graph, out(model), motion))
    assert says in error_of(host, graph)


def test_a_damaged_motion_is_refused(host):
    name = foreign(host, "zeroscope", 6)
    path = host.work / "models" / "motion_embeddings" / name
    path.write_bytes(path.read_bytes()[:-9])
    graph = Graph()
    probe(graph, out(graph.add("LoadMotionEmbedding", motion=name)))
    assert name in error_of(host, graph)


def test_a_model_that_makes_pictures(host):
    graph = Graph()
    model, latent = graphs.load(graph)
    still = out(graph.add("ProbeStillModel", model=out(model)))
    motion = graphs.train(graph, still, latent, graphs.write(graph, model, ""))
    assert "temporal attention" in error_of(host, {**graph, **_probed(motion)})
    motion = graphs.train(graph, out(model), latent, graphs.write(graph, model, ""))
    graph.add("ProbeModel", model=graphs.apply(graph, still, out(motion)))
    assert "temporal attention" in error_of(host, graph)


def _probed(motion):
    return {"end": {"class_type": "ProbeDigest", "inputs": {"value": out(motion)}}}


def test_latents_of_another_autoencoder(host):
    graph = Graph()
    model, _ = graphs.load(graph)
    other = graph.add("EmptySD3LatentImage", width=64, height=64, batch_size=16)
    motion = graphs.train(graph, out(model), other, graphs.write(graph, model, ""))
    probe(graph, out(motion))
    assert "VAE" in error_of(host, graph)


def test_memory_that_runs_out(host):
    graph = Graph()
    model, latent = graphs.load(graph)
    little = out(graph.add("ProbeNoMemory", model=out(model)))
    before = graph.add("ProbeModel", model=out(model))
    untouched = host.run({name: node for name, node in graph.items() if name in (model, before)})[before]
    probe(graph, out(graphs.train(graph, little, latent, graphs.write(graph, model, ""))))
    results = error_of(host, graph)
    assert "memory" in results and "low" in results
    graph = Graph()
    model, _ = graphs.load(graph)
    assert host.run({**graph, "end": {"class_type": "ProbeModel", "inputs": {"model": out(model)}}})["end"] == untouched


def test_a_model_and_a_motion_that_are_not_there(host):
    graph = Graph()
    graph.add("ProbeModel", model=out(graph.add("LoadVideoDiffusionModel", model="zeroscope_xl", dtype="as stored")))
    assert "says how to get ZeroScope" in error_of(host, graph)
    graph = Graph()
    probe(graph, out(graph.add("LoadMotionEmbedding", motion="gallop.safetensors")))
    assert "gallop.safetensors is not in" in error_of(host, graph)


def test_a_mask_with_nothing_in_it(host):
    graph = Graph()
    model, latent = graphs.load(graph)
    black = out(graph.add("SolidMask", value=0.0, width=64, height=64))
    probe(graph, out(graphs.train(graph, out(model), latent, graphs.write(graph, model, ""), mask=black)))
    assert "mask is empty" in error_of(host, graph)
