"""A small LTX of random weights, loaded by the host's own loader."""

import json

import pytest
import torch
from safetensors.torch import save_file

from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.previews import check_previews

MODEL = "tiny_ltx.safetensors"
CONFIG = {
    "num_attention_heads": 2, "attention_head_dim": 16, "cross_attention_dim": 32, "caption_channels": 96,
    "in_channels": 128, "num_layers": 2,
}  # fmt: skip
RENAMED = {"proj_in.": "patchify_proj.", "time_embed.": "adaln_single.", "norm_q.": "q_norm.", "norm_k.": "k_norm."}


@pytest.fixture(scope="module", autouse=True)
def ltx(host):
    """Writes the weights into the host's folder, in the names of LTX's checkpoints."""
    from diffusers import LTXVideoTransformer3DModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = LTXVideoTransformer3DModel(**CONFIG, out_channels=128)
    weights = {}
    for name, weight in module.state_dict().items():
        for old, new in RENAMED.items():
            name = name.replace(old, new)
        weights[name] = weight.contiguous()
    folder = host.work / "models" / "diffusion_models"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / MODEL, {"config": json.dumps({"transformer": CONFIG})})


def begin():
    """A graph with the model, a latent that the model has made, a prompt and the empty prompt."""
    graph = Graph()
    clip = graph.add("LoadVideoDiffusionModel", model=graphs.STARTER, dtype="as stored")
    model = out(graph.add("UNETLoader", unet_name=MODEL, weight_dtype="default"))
    wanted, nothing = graphs.write(graph, clip, graphs.REFERENCE), graphs.write(graph, clip, "")
    wanted, nothing = (out(graph.add("ProbeWords", conditioning=text)) for text in (wanted, nothing))
    return graph, model, sample(graph, model, wanted, nothing, seed=9), wanted, nothing


def sample(graph, model, wanted, nothing, **changes):
    empty = graph.add("EmptyLTXVLatentVideo", width=64, height=96, length=25, batch_size=1)
    settings = {"sampler_name": "euler", "scheduler": "simple", "latent_image": out(empty), "steps": 2}
    settings |= {"cfg": 1.0, **changes}  # the host's attention on a CPU takes no mask for two prompts
    return graphs.sample(graph, model, wanted, nothing, **settings)


def learn(graph, model, latent, wanted, **changes):
    settings = {"preset": "official", "learning_rate": 0.05, "sites": "all", "memory": "fast", **changes}
    return out(graphs.train(graph, model, latent[0], wanted, **settings))


def test_a_motion_is_learnt_and_applied_and_leaves_nothing_behind(host):
    graph, model, latent, wanted, nothing = begin()
    before = graph.add("ProbeModel", model=model)
    motion = learn(graph, model, latent, wanted)
    zero = graphs.apply(graph, model, motion, strength_qk=0.0, strength_v=0.0)
    applied = graphs.apply(graph, model, motion, strength_v=3.0)
    nodes = [probe(graph, sample(graph, which, wanted, nothing)) for which in (model, zero, applied)]
    after = graph.add("ProbeModel", model=model, after=motion)
    results = host.run(graph)
    plain, unchanged, moved = (results[node] for node in nodes)
    assert plain == unchanged != moved
    assert results[after] == results[before]


def test_previews_are_shown_and_change_nothing_that_is_learnt(host):
    graph, model, latent, wanted, nothing = begin()
    shown = [{"preview_every": 2}, {"preview_every": 1, "preview": nothing}]
    check_previews(host, graph, model, lambda **each: learn(graph, model, latent, wanted, **each)[0], shown)


def test_memory_modes_learn_the_same(host):
    graph, model, latent, wanted, _ = begin()
    nodes = []
    for memory in ("fast", "balanced", "low"):
        applied = graphs.apply(graph, model, learn(graph, model, latent, wanted, memory=memory))
        nodes.append(graph.add("ProbeLoss", model=applied, latent=latent, positive=wanted))
    fast, *others = (float(host.run(graph)[node]) for node in nodes)
    assert others == pytest.approx([fast] * 2, rel=1e-3)
