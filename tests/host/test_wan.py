"""A small Wan of random weights, loaded by the host's own loaders."""

import pytest
import torch
from safetensors.torch import save_file

from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.live_host import Failed, Interrupted
from tests.host.previews import check_previews
from tests.host.wan_files import write_wan

FRAMES = 9
MODEL, VAE = "tiny_wan.safetensors", "tiny_wan_vae.safetensors"


@pytest.fixture(scope="module", autouse=True)
def wan(host):
    """Writes the weights into the host's folders."""
    write_wan(host.work / "models", [MODEL], VAE)
    graph = Graph()
    graph.add("ProbeModel", model=out(graph.add("UNETLoader", unet_name=MODEL, weight_dtype="default")))
    try:
        host.run(graph)
    except Failed as failed:
        if "text_embedding" not in failed.message:
            raise
        pytest.skip("this host reads no metadata of Wan's weights, which tell the width of the small model's text")


def begin(frames=FRAMES, weights="default"):
    """A graph with the model, the reference's latent, what it shows and the empty prompt."""
    graph = Graph()
    clip = graph.add("LoadVideoDiffusionModel", model=graphs.STARTER, dtype="as stored")
    model = out(graph.add("UNETLoader", unet_name=MODEL, weight_dtype=weights))
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


def test_previews_are_shown_and_change_nothing_that_is_learnt(host):
    graph, model, latent, wanted, nothing = begin()
    vae = out(graph.add("VAELoader", vae_name=VAE))
    shown = [{"preview_every": 2}, {"preview_every": 1, "preview": nothing, "vae": vae}]
    check_previews(host, graph, model, lambda **each: learn(graph, model, latent, wanted, **each)[0], shown)


def test_a_clip_of_frames_is_refused(host):
    graph, model, _, wanted, _ = begin()
    starter = graph.add("LoadVideoDiffusionModel", model=graphs.STARTER, dtype="as stored")
    frames = graph.add("VAEEncode", pixels=out(graphs.load_clip(graph)), vae=out(starter, 2))
    probe(graph, learn(graph, model, frames, wanted))
    with pytest.raises(Failed) as failed:
        host.run(graph)
    assert "encode the reference with the VAE that belongs to the model" in failed.value.message


def test_memory_modes_learn_the_same(host):
    graph, model, latent, wanted, _ = begin()
    nodes = []
    for memory in ("fast", "balanced", "low"):
        applied = graphs.apply(graph, model, learn(graph, model, latent, wanted, memory=memory))
        nodes.append(graph.add("ProbeLoss", model=applied, latent=out(latent), positive=wanted))
    fast, *others = (float(host.run(graph)[node]) for node in nodes)
    assert others == pytest.approx([fast] * 2, rel=1e-3)


def test_cancelled_at_any_step_nothing_is_left(host):
    def arm(cancel_at, seed):
        graph, model, latent, wanted, _ = begin()
        armed = out(graph.add("ProbeCancelAt", model=model, step=cancel_at))
        motion = learn(graph, armed, latent, wanted, steps=4, seed=seed)
        probe(graph, motion)
        graph.add("ProbeModel", model=model, after=motion)
        return graph

    fresh = host.run(arm(cancel_at=0, seed=0))
    for step in range(1, 5):
        with pytest.raises(Interrupted):
            host.run(arm(cancel_at=step, seed=step))
    assert host.run(arm(cancel_at=0, seed=0)) == fresh


def test_guidance_in_one_batch_or_apart(host):
    graph, model, latent, wanted, nothing = begin()
    motion, pairs = learn(graph, model, latent, wanted), []
    for branches in ("both", "conditional"):
        applied = graphs.apply(graph, model, motion, branches=branches, strength_v=3.0)
        apart = out(graph.add("ProbeLittleMemory", model=applied))
        pairs.append([sample(graph, which, wanted, nothing) for which in (applied, apart)])
    plain = sample(graph, model, wanted, nothing)
    same = [graph.add("ProbeDifference", first=together, second=apart) for together, apart in pairs]
    moved = [graph.add("ProbeDifference", first=together, second=plain) for together, _ in pairs]
    moved.append(graph.add("ProbeDifference", first=pairs[0][0], second=pairs[1][0]))
    results = host.run(graph)
    assert max(float(results[node]) for node in same) < 1e-4 < 1e-3 < min(float(results[node]) for node in moved)


def test_context_windows_get_the_motion_repeated_or_stretched(host):
    graph, model, latent, wanted, nothing = begin()
    motion = learn(graph, model, latent, wanted)
    usual = graphs.defaults(host, "WanContextWindowsManual")
    usual |= {"context_length": 9, "context_overlap": 4, "freenoise": False}
    slid = out(graph.add("WanContextWindowsManual", model=model, **usual))
    zero = graphs.apply(graph, slid, motion, strength_qk=0.0, strength_v=0.0)
    ways = [graphs.apply(graph, slid, motion, strength_v=3.0, frame_index=how) for how in ("window", "absolute")]
    nodes = [probe(graph, sample(graph, which, wanted, nothing, frames=17)) for which in (slid, zero, *ways)]
    results = host.run(graph)
    without, at_zero, repeated, stretched = (results[node] for node in nodes)
    assert without == at_zero and len({without, repeated, stretched}) == 3


def test_a_start_image_is_sampled_from_with_the_motion(host):
    graph, model, latent, wanted, nothing = begin()
    motion = learn(graph, model, latent, wanted)
    vae = out(next(name for name in graph if name.startswith("VAELoader")))
    image = out(graphs.load_clip(graph, video="example: hops.mp4", frames=2))
    begun = graph.add(
        "WanImageToVideo", positive=wanted, negative=nothing, vae=vae, width=64, height=64, length=FRAMES, batch_size=1,
        start_image=image,
    )  # fmt: skip
    settings = {"latent_image": out(begun, 2)}
    nodes = [
        probe(graph, sample(graph, which, out(begun), out(begun, 1), **settings))
        for which in (model, graphs.apply(graph, model, motion))
    ]
    nodes.append(probe(graph, sample(graph, model, wanted, nothing)))
    assert len({host.run(graph)[node] for node in nodes}) == 3


@pytest.mark.parametrize("recipe", ["vmc", "motion_director"])
def test_an_adapter_is_learnt_and_applied(host, recipe):
    graph, model, latent, wanted, nothing = begin()
    trained = graphs.train_adapter(graph, model, out(latent), wanted, recipe=recipe)
    before = graph.add("ProbeModel", model=model)
    after = graph.add("ProbeModel", model=model, after=out(trained))
    nodes = [
        probe(graph, sample(graph, which, wanted, nothing))
        for which in (
            model,
            graphs.apply_adapter(graph, model, out(trained), strength=0.0),
            graphs.apply_adapter(graph, model, out(trained)),
        )
    ]
    results = host.run(graph)
    plain, zero, moved = (results[node] for node in nodes)
    assert plain == zero != moved and results[before] == results[after]


def test_custom_sampling_starts_from_inverted_noise(host):
    graph, model, latent, wanted, nothing = begin()
    inverted = graph.add("InvertReferenceVideo", model=model, latent=out(latent), positive=nothing, steps=3)
    mixed = graph.add("InversionNoiseMix", inverted=out(inverted), method="blend", beta=0.5, factor=4, seed=3)
    empty = graph.add("EmptyHunyuanLatentVideo", width=64, height=64, length=FRAMES, batch_size=1)
    random = out(graph.add("RandomNoise", noise_seed=3))
    made = [
        graph.add(
            "SamplerCustomAdvanced",
            noise=noise,
            guider=out(graph.add("CFGGuider", model=model, positive=wanted, negative=nothing, cfg=6.0)),
            sampler=out(graph.add("KSamplerSelect", sampler_name="euler")),
            sigmas=out(graph.add("BasicScheduler", model=model, scheduler="simple", steps=3, denoise=1.0)),
            latent_image=out(empty),
        )
        for noise in (out(mixed), random)
    ]
    nodes = [probe(graph, out(each)) for each in made]
    results = host.run(graph)
    assert results[nodes[0]] != results[nodes[1]]


def test_guidance_for_models_that_predict_noise_is_refused(host):
    graph, model, latent, wanted, nothing = begin()
    probe(graph, sample(graph, graphs.guide(graph, model, latent, nothing), wanted, nothing))
    with pytest.raises(Failed) as failed:
        host.run(graph)
    assert "learn a motion instead" in failed.value.message


def test_a_cache_of_outputs_does_not_reach_training(host):
    graph, model, latent, wanted, nothing = begin()
    cached = out(graph.add("EasyCache", model=model, **graphs.defaults(host, "EasyCache")))
    nodes = [probe(graph, learn(graph, which, latent, wanted)) for which in (model, cached)]
    results = host.run(graph)
    assert results[nodes[0]] == results[nodes[1]]


@pytest.mark.parametrize("while_learning", [True, False])
def test_a_forward_that_skips_the_motions_layers_is_refused(host, while_learning):
    graph, model, latent, wanted, nothing = begin()
    if while_learning:
        probe(graph, learn(graph, out(graph.add("ProbeSkippedBlocks", model=model)), latent, wanted))
    else:
        applied = graphs.apply(graph, model, learn(graph, model, latent, wanted))
        probe(graph, sample(graph, out(graph.add("ProbeSkippedBlocks", model=applied)), wanted, nothing))
    with pytest.raises(Failed) as failed:
        host.run(graph)
    assert "so that the motion was lost" in failed.value.message


def test_weights_in_eight_bits_are_learnt_on(host):
    graph, model, latent, wanted, nothing = begin(weights="fp8_e4m3fn")
    before = graph.add("ProbeModel", model=model)
    motion = learn(graph, model, latent, wanted, memory="low")
    after = graph.add("ProbeModel", model=model, after=motion)
    nodes = [
        probe(graph, sample(graph, which, wanted, nothing)) for which in (model, graphs.apply(graph, model, motion))
    ]
    results = host.run(graph)
    assert results[before] == results[after] and results[nodes[0]] != results[nodes[1]]


@pytest.mark.parametrize("probe_name", ["ProbeOffload", "ProbeDynamic"])
def test_weights_that_are_not_in_place_are_learnt_on(host, probe_name):
    graph, model, latent, wanted, nothing = begin()
    settings = {"cached": True, "reloadable": True} if probe_name == "ProbeDynamic" else {}
    elsewhere = out(graph.add(probe_name, model=model, **settings))
    here, there = (learn(graph, which, latent, wanted) for which in (model, elsewhere))
    applied = [graphs.apply(graph, *pair) for pair in ((model, here), (elsewhere, here), (model, there))]
    made = [sample(graph, which, wanted, nothing) for which in applied]
    used, learnt = (graph.add("ProbeDifference", first=made[0], second=other) for other in made[1:])
    moved = graph.add("ProbeDifference", first=made[0], second=sample(graph, model, wanted, nothing))
    results = host.run(graph)
    assert float(results[used]) < 1e-2 * float(results[moved])
    assert float(results[learnt]) < 1e-1 * float(results[moved])  # Adam's first steps make much of rounding


def test_a_lora_is_applied_learnt_on_and_left_alone(host):
    folder = host.work / "models" / "loras"
    folder.mkdir(parents=True, exist_ok=True)
    home = "diffusion_model.blocks.0.self_attn.q"
    parts = {"lora_down": torch.randn(2, 128), "lora_up": torch.randn(128, 2)}
    save_file(
        {f"{home}.{name}.weight": part.contiguous() for name, part in parts.items()}, folder / "tiny_wan.safetensors"
    )
    graph, bare, latent, wanted, nothing = begin()
    model = out(graph.add("LoraLoaderModelOnly", model=bare, lora_name="tiny_wan.safetensors", strength_model=1.0))
    motion = learn(graph, model, latent, wanted)
    zero = graphs.apply(graph, model, motion, strength_qk=0.0, strength_v=0.0)
    ways = (model, zero, graphs.apply(graph, model, motion), graphs.apply(graph, bare, motion), bare)
    nodes = [probe(graph, sample(graph, which, wanted, nothing)) for which in ways]
    results = host.run(graph)
    with_lora, at_zero, *others = (results[node] for node in nodes)
    assert with_lora == at_zero and len({with_lora, *others}) == 4


def test_dit_flow_follows_what_the_model_compares(host):
    graph, model, latent, wanted, _ = begin()
    found = graph.add("ProbeCompared", model=model, latent=out(latent), positive=wanted)
    assert float(host.run(graph)[found]) < 1e-4


@pytest.mark.parametrize("sampler", ["euler", "uni_pc"])
def test_dit_flow_guides_the_hosts_sampler(host, sampler):
    graph, model, latent, wanted, nothing = begin()
    before = graph.add("ProbeModel", model=model)
    given = {"method": "dit_flow", "preset": "starter", "end": 1.0}
    whole, off = (graphs.guide(graph, model, latent, nothing, strength=strength, **given) for strength in (5.0, 0.0))
    made = [sample(graph, which, wanted, nothing, sampler_name=sampler, steps=3) for which in (model, off, whole)]
    nodes = [probe(graph, each) for each in made]
    again = graph.add("ProbeModel", model=model, after=made[-1])
    results = host.run(graph)
    plain, idle, guided = (results[node] for node in nodes)
    assert plain == idle != guided and results[again] == results[before]


def test_guidance_of_a_unet_is_refused(host):
    graph, model, latent, wanted, nothing = begin()
    applied = graphs.guide(graph, model, latent, nothing, method="motion_clone", preset="starter")
    probe(graph, sample(graph, applied, wanted, nothing))
    with pytest.raises(Failed, match=r"flow|diffusion"):
        host.run(graph)


def test_versions_of_a_clip_are_encoded_each_on_its_own(host):
    graph, _, latent, _, _ = begin()
    frames = out(graphs.load_clip(graph, frames=FRAMES))
    vae = out(graph.add("VAELoader", vae_name=VAE))
    many = graph.add("RecolourReferenceVideo", images=frames, colourings=3)
    encoded = graph.add("EncodeReferenceVideo", images=out(many), vae=vae, clips=out(many, 1))
    first = graph.add("LatentFromBatch", samples=out(encoded), batch_index=0, length=1)
    apart = graph.add("ProbeDifference", first=out(first), second=out(latent))
    assert float(host.run(graph)[apart]) == 0
