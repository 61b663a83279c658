"""MotionGuidance on a live host: the methods that learn nothing, in the host's own samplers."""

import json

import pytest

from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.live_host import ANIMATEDIFF, HOW_TO_GET_ANIMATEDIFF, Failed, Interrupted, Refused
from tests.host.test_animatediff import begin
from tests.host.test_animatediff import load as load_animatediff

METHODS = ("dmt", "motion_clone")
BLOCKS = {"dmt": "up_blocks.0", "motion_clone": "up_blocks.1"}
QUICK = {"optimisation_steps": 1, "restart_end": 0.5}
"""What dmt alone has."""
TINY = {
    "dmt": {"preset": "published", "distance": "cosine", "optimisation_steps": 2, "strength": 10.0},
    "motion_clone": {"preset": "published", "strength": 100.0, "end": 1.0},
}


def start(frames=16):
    graph = Graph()
    model, latent = graphs.load(graph, frames)
    wanted, nothing = graphs.write(graph, model, "a blue square on a black ground"), graphs.write(graph, model, "")
    return graph, model, latent, wanted, nothing


def guide(graph, model, latent, nothing, method="motion_clone", **changes):
    own = QUICK if method == "dmt" else {}
    return graphs.guide(graph, model, latent, nothing, method=method, **{**own, **changes})


@pytest.mark.parametrize("method, sampler", [("dmt", "euler"), ("motion_clone", "ddim"), ("motion_clone", "euler")])
def test_guidance_leaves_nothing_behind_for_the_next_run(host, method, sampler):
    graph, model, latent, wanted, nothing = start(frames=4)
    settings = {"frames": 4, "sampler_name": sampler, "scheduler": "ddim_uniform" if sampler == "ddim" else "karras"}
    before = graph.add("ProbeModel", model=out(model))
    plain = graphs.sample(graph, out(model), wanted, nothing, **settings)
    first = host.run({**graph, "plain": {"class_type": "ProbeDigest", "inputs": {"value": plain}}})
    host.forget()  # else the host would hand out what it made before
    made = []
    for guided in (True, False, True):
        applied = guide(graph, out(model), latent, nothing, method) if guided else out(model)
        made.append(graphs.sample(graph, applied, wanted, nothing, **settings))
    nodes, after = [probe(graph, each) for each in made], graph.add("ProbeModel", model=out(model), after=made[2])
    results = host.run(graph)
    one, two, three = (results[node] for node in nodes)
    assert one == three != two == first["plain"] and results[after] == first[before]


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_of_the_method_goes_down(host, method):
    graph, model, latent, wanted, nothing = start()
    strength = {"dmt": 1.0, "motion_clone": 12.5}[method]  # its weight is for seven times as many steps
    applied = graphs.guide(graph, out(model), latent, nothing, method=method, strength=strength)
    losses = []
    for which in (applied, out(model)):
        made = graphs.sample(graph, which, wanted, nothing, steps=8)
        losses.append(
            graph.add(
                "ProbeGuidanceLoss",
                model=out(model),
                reference=out(latent),
                latent=made,
                positive=nothing,
                method=method,
                block=BLOCKS[method],
            )  # fmt: skip
        )
    results = host.run(graph)
    guided, plain = (float(results[node]) for node in losses)
    assert guided < 0.9 * plain


@pytest.mark.parametrize("settings", [
    {"method": "motion_clone", "start": 0.0}, {"method": "dmt", "optimisation_steps": 2, "restart_end": 0.0},
    {"method": "dmt", "optimisation_steps": 1, "restart_end": 1.0},
])  # fmt: skip
@pytest.mark.parametrize("sampler", ["ddim", "euler"])
def test_the_hosts_steps_lead_where_the_cores_do(host, settings, sampler):
    graph, model, latent, wanted, nothing = start(frames=4)
    same = {"steps": 4, "seed": 5}
    core = graph.add(
        "ProbeCoreGuidance", model=out(model), reference=out(latent), positive=wanted, nothing=nothing,
        settings=json.dumps(settings), **same,
    )  # fmt: skip
    applied = graphs.guide(graph, out(model), latent, nothing, **settings)
    made = [
        graphs.sample(graph, which, wanted, nothing, frames=4, cfg=1.0, sampler_name=sampler, **same)
        for which in (applied, out(model))
    ]
    apart = graph.add("ProbeDifference", first=made[0], second=out(core))
    moved = graph.add("ProbeDifference", first=made[0], second=made[1])
    results = host.run(graph)
    assert float(results[apart]) < 0.03 * float(results[moved])


def test_idle_settings_change_no_bit(host):
    graph, model, latent, wanted, nothing = start()
    same = [guide(graph, out(model), latent, nothing, method, strength=0.0) for method in METHODS]
    same.append(guide(graph, out(model), latent, nothing, start=0.5, end=0.5))
    same.append(guide(graph, out(model), latent, nothing, "dmt", start=0.0, end=0.0, restart_end=0.0))
    nodes = [probe(graph, graphs.sample(graph, which, wanted, nothing)) for which in (out(model), *same)]
    results = host.run(graph)
    assert len({results[node] for node in nodes}) == 1


@pytest.mark.parametrize("method", METHODS)
def test_guidance_in_one_batch_or_apart(host, method):
    graph, model, latent, wanted, nothing = start()
    apart = out(graph.add("ProbeLittleMemory", model=out(model)))
    applied = [guide(graph, which, latent, nothing, method, start=0.0) for which in (out(model), apart)]
    made = [graphs.sample(graph, which, wanted, nothing, steps=4) for which in (*applied, out(model))]
    same = graph.add("ProbeDifference", first=made[0], second=made[1])
    moved = graph.add("ProbeDifference", first=made[0], second=made[2])
    results = host.run(graph)
    assert float(results[same]) < 2e-2 * float(results[moved])


def test_a_compiled_model_is_guided(host):
    graph, model, latent, wanted, nothing = start()
    compiled = out(graph.add("ProbeCompiled", model=out(model)))
    probe(graph, graphs.sample(graph, compiled, wanted, nothing))
    host.run(graph)  # without guidance first: what is compiled then knows nothing of it
    applied = [guide(graph, which, latent, nothing) for which in (out(model), compiled)]
    nodes = [probe(graph, graphs.sample(graph, which, wanted, nothing)) for which in applied]
    results = host.run(graph)
    assert results[nodes[0]] == results[nodes[1]]


@pytest.mark.parametrize("memory", ["fast", "low"])
def test_guidance_works_with_a_motion_applied(host, memory):
    graph, model, latent, wanted, nothing = start()
    motion = out(graphs.train(graph, out(model), latent, nothing))
    adapter = out(graphs.train_adapter(graph, out(model), out(latent), nothing))
    moved = graphs.apply(graph, out(model), motion, branches="conditional", strength_v=3.0)
    adapted = graphs.apply_adapter(graph, moved, adapter, strength=5.0)
    applied = guide(graph, adapted, latent, nothing, memory=memory, start=0.0)
    again = graphs.apply_adapter(graph, graphs.apply(graph, guide(graph, out(model), latent, nothing, memory=memory,
        start=0.0), motion, branches="conditional", strength_v=3.0), adapter, strength=5.0)  # fmt: skip
    both = guide(graph, applied, latent, nothing, "dmt", memory=memory, start=0.0)
    unmoved = guide(graph, out(model), latent, nothing, memory=memory, start=0.0)
    nodes = [
        probe(graph, graphs.sample(graph, which, wanted, nothing)) for which in (applied, again, both, unmoved, moved)
    ]
    results = host.run(graph)
    assert results[nodes[0]] == results[nodes[1]] and len({results[node] for node in nodes}) == 4


@pytest.mark.parametrize("sampler", ["euler_ancestral", "heun", "dpmpp_2m", "uni_pc", "dpmpp_2m_sde"])
def test_other_samplers_are_guided(host, sampler):
    graph, model, latent, wanted, nothing = start(frames=4)
    applied = guide(graph, out(model), latent, nothing, start=0.0)
    nodes = []
    for which in (applied, out(model)):
        made = graphs.sample(graph, which, wanted, nothing, frames=4, sampler_name=sampler, scheduler="normal")
        nodes.append(graph.add("ProbeNumbers", value=made))
    results = host.run(graph)
    assert results[nodes[0]] != results[nodes[1]] and "nan" not in results[nodes[0]]


@pytest.mark.parametrize("method", METHODS)
def test_a_part_of_sampling_and_custom_sampling(host, method):
    graph, model, latent, wanted, nothing = start(frames=4)
    applied = guide(graph, out(model), latent, nothing, method, start=0.0)
    empty = out(graph.add("EmptyLatentImage", width=64, height=64, batch_size=4))
    shared = {"cfg": 6.0, "sampler_name": "euler", "scheduler": "ddim_uniform", "positive": wanted, "negative": nothing,
              "steps": 6}  # fmt: skip
    first = graph.add(
        "KSamplerAdvanced", model=applied, add_noise="enable", noise_seed=0, latent_image=empty, start_at_step=0,
        end_at_step=3, return_with_leftover_noise="enable", **shared,
    )  # fmt: skip
    rest = graph.add(
        "KSamplerAdvanced", model=out(model), add_noise="disable", noise_seed=0, latent_image=out(first),
        start_at_step=3, end_at_step=1000, return_with_leftover_noise="disable", **shared,
    )  # fmt: skip
    noise = out(graph.add("RandomNoise", noise_seed=3))
    custom = [
        graphs.sample_custom(graph, which, wanted, nothing, noise, 3, frames=4) for which in (applied, out(model))
    ]
    seen = graph.add("ProbeNumbers", value=out(rest))
    nodes = [probe(graph, each) for each in custom]
    results = host.run(graph)
    assert "nan" not in results[seen] and results[nodes[0]] != results[nodes[1]]


def test_training_and_inversion_are_not_guided(host):
    results = []
    for guided in (False, True):
        host.forget()
        graph, model, latent, _, nothing = start(frames=4)
        which = guide(graph, out(model), latent, nothing, "dmt") if guided else out(model)
        learnt = probe(graph, out(graphs.train(graph, which, latent, nothing)))
        inverted = probe(
            graph, out(graph.add("InvertReferenceVideo", model=which, latent=out(latent), positive=nothing, steps=3))
        )
        shown = host.run(graph)
        results.append((shown[learnt], shown[inverted]))
    assert results[0] == results[1]


@pytest.mark.parametrize("method", METHODS)
def test_cancelled_at_any_step_nothing_is_left(host, method):
    def sample(cancel_at, seed):
        graph, model, latent, wanted, nothing = start(frames=4)
        armed = out(graph.add("ProbeCancelAt", model=out(model), step=cancel_at))
        applied = guide(graph, armed, latent, nothing, method, start=0.0, memory="low")
        made = graphs.sample(graph, applied, wanted, nothing, frames=4, seed=seed)
        probe(graph, made)
        graph.add("ProbeModel", model=out(model), after=made)
        probe(graph, graphs.sample(graph, out(model), wanted, nothing, frames=4))
        return graph

    fresh = host.run(sample(cancel_at=0, seed=0))
    for step in (1, 2, 3, 5)[: 4 if method == "dmt" else 3]:
        with pytest.raises(Interrupted):
            host.run(sample(cancel_at=step, seed=step))
    assert host.run(sample(cancel_at=0, seed=0)) == fresh


def error_of(host, graph) -> str:
    with pytest.raises((Failed, Refused)) as caught:
        host.run(graph)
    return str(caught.value.message)


@pytest.mark.parametrize("changes, says", [
    ({"strength": -1.0}, "strength"), ({"start": 0.9, "end": 0.1}, "start is 0.9 and end 0.1"),
    ({"method": "x"}, "method"), ({"preset": "x"}, "preset"), ({"block": "up_blocks.3"}, "up_blocks.3"),
    ({"memory": "huge"}, "memory"),
])  # fmt: skip
def test_impossible_settings_are_refused(host, changes, says):
    graph, model, latent, wanted, nothing = start(frames=4)
    applied = graphs.guide(graph, out(model), latent, nothing, **changes)
    probe(graph, graphs.sample(graph, applied, wanted, nothing, frames=4))
    assert says in error_of(host, graph)


def test_settings_of_the_other_method_change_nothing(host):
    """The frontend hides it, and it keeps its value there."""
    graph, model, latent, wanted, nothing = start(frames=4)
    dmts = {"optimisation_steps": 3, "distance": "l2", "restart_end": 0.5}
    applied = [graphs.guide(graph, out(model), latent, nothing, **changes) for changes in ({}, dmts)]
    nodes = [probe(graph, graphs.sample(graph, each, wanted, nothing, frames=4)) for each in applied]
    results = host.run(graph)
    assert results[nodes[0]] == results[nodes[1]]


@pytest.mark.parametrize("method", METHODS)
def test_a_clip_of_another_length_or_size(host, method):
    graph, model, latent, wanted, nothing = start(frames=4)
    probe(graph, graphs.sample(graph, guide(graph, out(model), latent, nothing, method), wanted, nothing, frames=8))
    results = error_of(host, graph)
    assert "the new clip is 8 frames of 64x64 and the reference 4 frames of 64x64" in results


@pytest.mark.parametrize("sampler", ["dpm_2", "lcm", "euler_cfg_pp", "dpm_fast"])
def test_unsupported_samplers_are_refused(host, sampler):
    graph, model, latent, wanted, nothing = start(frames=4)
    applied = guide(graph, out(model), latent, nothing, start=0.0)
    probe(graph, graphs.sample(graph, applied, wanted, nothing, frames=4, sampler_name=sampler, scheduler="normal"))
    assert "use euler, ddim or dpmpp_2m" in error_of(host, graph)


def test_other_bad_inputs_are_refused(host):
    graph, model, latent, wanted, nothing = start(frames=4)
    still = out(graph.add("ProbeStillModel", model=out(model)))
    graph.add("ProbeModel", model=guide(graph, still, latent, nothing))
    assert "temporal attention" in error_of(host, graph)
    graph, model, latent, wanted, nothing = start(frames=4)
    other = graph.add("EmptySD3LatentImage", width=64, height=64, batch_size=4)
    graph.add("ProbeModel", model=guide(graph, out(model), other, nothing))
    assert "encode the reference with the VAE" in error_of(host, graph)
    graph, model, latent, wanted, nothing = start(frames=4)
    two = out(graph.add("ConditioningCombine", conditioning_1=wanted, conditioning_2=nothing))
    applied = guide(graph, out(model), latent, nothing, start=0.0)
    probe(graph, graphs.sample(graph, applied, two, nothing, frames=4))
    assert "one prompt at a time" in error_of(host, graph)


def with_animatediff(host):
    if ANIMATEDIFF not in host.packs:
        pytest.skip(HOW_TO_GET_ANIMATEDIFF)


@pytest.mark.parametrize("version", ["tiny_v1", "tiny_v2", "tiny_v3"])
@pytest.mark.parametrize("method", METHODS)
def test_animatediff(host, method, version):
    with_animatediff(host)
    graph, model, clip, wanted, nothing = begin(version=version, frames=8)
    plain = probe(graph, graphs.sample(graph, model, wanted, nothing, frames=8))
    first = host.run(graph)[plain]
    host.forget()
    before = graph.add("ProbeModel", model=model)
    nodes, made = [], None
    for memory in ("fast", "low"):
        applied = graphs.guide(graph, model, clip, nothing, method=method, memory=memory, **TINY[method])
        made = graphs.sample(graph, applied, wanted, nothing, frames=8)
        nodes.append(made)
    after = graph.add("ProbeModel", model=model, after=made)
    same = graph.add("ProbeDifference", first=nodes[0], second=nodes[1])
    moved = graph.add("ProbeDifference", first=nodes[0], second=graph[plain]["inputs"]["value"])
    results = host.run(graph)
    assert results[plain] == first and results[before] == results[after]
    assert float(results[same]) < 0.05 * float(results[moved]) and float(results[moved]) > 1e-3


@pytest.mark.parametrize("weights", ["fp16", "fp8_e4m3fn"])
def test_animatediff_in_other_precisions_and_places(host, weights):
    with_animatediff(host)
    graph, model, clip, wanted, nothing = begin(weights=weights, frames=8)
    offloaded = out(graph.add("ProbeOffload", model=model))
    for which in (model, offloaded):
        applied = graphs.guide(graph, which, clip, nothing, **TINY["motion_clone"])
        made = graphs.sample(graph, applied, wanted, nothing, frames=8)
        node = graph.add("ProbeNumbers", value=made)
        assert "nan" not in host.run(graph)[node]


def test_sliding_windows_are_refused(host):
    with_animatediff(host)
    graph, _, clip, wanted, nothing = begin(frames=32)
    slid = load_animatediff(
        graph, context=graph.add("ADE_StandardStaticContextOptions", context_length=16, context_overlap=0)
    )
    applied = graphs.guide(graph, slid, clip, nothing, **TINY["motion_clone"])
    probe(graph, graphs.sample(graph, applied, wanted, nothing, frames=32))
    assert "sliding context windows" in error_of(host, graph)
