"""A small Wan of random weights, loaded by the host's own loaders."""

import pytest
import torch

from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.live_host import Failed

FRAMES = 9
MODEL, VAE = "tiny_wan.safetensors", "tiny_wan_vae.safetensors"


@pytest.fixture(scope="module", autouse=True)
def wan(host):
    """Writes the weights into the host's folders."""
    from diffusers import WanTransformer3DModel

    from tools.starter.wan import build
    from tools.starter.wan.export import export_autoencoder, export_transformer

    models = host.work / "models"
    for folder in ("diffusion_models", "vae"):
        (models / folder).mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small = {**build.TRANSFORMER, "num_attention_heads": 4, "num_layers": 2, "ffn_dim": 64}
        transformer = WanTransformer3DModel(**small)
        torch.nn.init.normal_(transformer.proj_out.weight, std=0.1)
        export_transformer(models / "diffusion_models" / MODEL, transformer, torch.float32)
        export_autoencoder(models / "vae" / VAE, build.build_autoencoder(), torch.float32)


def begin(frames=FRAMES):
    """A graph with the model, the reference's latent, what it shows and the empty prompt."""
    graph = Graph()
    clip = graph.add("LoadVideoDiffusionModel", model=graphs.STARTER, dtype="as stored")
    model = out(graph.add("UNETLoader", unet_name=MODEL, weight_dtype="default"))
    vae = out(graph.add("VAELoader", vae_name=VAE))
    latent = graph.add("VAEEncode", pixels=out(graphs.load_clip(graph, frames=frames)), vae=vae)
    return graph, model, latent, graphs.write(graph, clip, graphs.REFERENCE), graphs.write(graph, clip, "")


def learn(graph, model, latent, wanted, **changes):
    settings = {"preset": "official", "learning_rate": 0.05, "sites": "all", "memory": "fast", **changes}
    return out(graphs.train(graph, model, latent, wanted, **settings))


def sample(graph, model, wanted, nothing, frames=FRAMES, **changes):
    empty = graph.add("EmptyHunyuanLatentVideo", width=64, height=64, length=frames, batch_size=1)
    settings = {"sampler_name": "euler", "scheduler": "simple", "latent_image": out(empty), **changes}
    return graphs.sample(graph, model, wanted, nothing, **settings)


def test_a_motion_is_learnt_and_applied_and_leaves_nothing_behind(host):
    graph, model, latent, wanted, nothing = begin()
    motion = learn(graph, model, latent, wanted)
    before = graph.add("ProbeModel", model=model)
    zero = graphs.apply(graph, model, motion, strength_qk=0.0, strength_v=0.0)
    nodes = [probe(graph, sample(graph, model, wanted, nothing))]
    alone = host.run(Graph({name: node for name, node in graph.items() if "Train" not in name and "Apply" not in name}))
    host.forget()  # else the host would hand out what it made before
    applied = graphs.apply(graph, model, motion)
    nodes += [probe(graph, sample(graph, which, wanted, nothing)) for which in (zero, applied)]
    results = host.run(graph)
    plain, unchanged, moved = (results[node] for node in nodes)
    assert plain == unchanged == alone[nodes[0]] and moved != plain
    assert results[before] == alone[before]


def test_a_clip_of_frames_is_refused(host):
    graph, model, _, wanted, _ = begin()
    starter = graph.add("LoadVideoDiffusionModel", model=graphs.STARTER, dtype="as stored")
    frames = graph.add("VAEEncode", pixels=out(graphs.load_clip(graph)), vae=out(starter, 2))
    probe(graph, learn(graph, model, frames, wanted))
    with pytest.raises(Failed) as failed:
        host.run(graph)
    assert "encode the reference with the VAE that belongs to the model" in failed.value.message
