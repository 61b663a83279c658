"""AnimateDiff-Evolved on a live host: its real loaders, injection and samplers, on tiny files of random weights."""

import pytest

from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.live_host import ANIMATEDIFF, HOW_TO_GET_ANIMATEDIFF, Failed, Interrupted
from tests.host.previews import check_previews

VERSIONS = ("tiny_v1", "tiny_v2", "tiny_v3")


@pytest.fixture(scope="module", autouse=True)
def animatediff(host):
    if ANIMATEDIFF not in host.packs:
        pytest.skip(HOW_TO_GET_ANIMATEDIFF)


def load(graph, version="tiny_v3", weights="default", context=None, stacked=None, lora=False, motion_lora=False):
    """MODEL with motion modules, as people load it."""
    if weights == "fp16":
        model = out(graph.add("ProbeHalfUNet"))
    else:
        model = out(graph.add("UNETLoader", unet_name="tiny_sd15.safetensors", weight_dtype=weights))
    if lora:
        named = {"lora_name": "tiny_lora.safetensors", "strength_model": 1.0}
        model = out(graph.add("LoraLoaderModelOnly", model=model, **named))
    options = {"context_options": out(context)} if context else {}
    modules = load_modules(graph, [*filter(None, [stacked]), version], motion_lora)
    return out(
        graph.add("ADE_UseEvolvedSampling", model=model, beta_schedule="autoselect", m_models=modules, **options)
    )


def load_modules(graph, names, motion_lora):
    """One motion module, or several stacked."""
    lora = {}
    if motion_lora:
        lora = {
            "motion_lora": out(
                graph.add("ADE_AnimateDiffLoRALoader", name="tiny_motion_lora.safetensors", strength=1.0)
            )
        }
    modules = None
    for name in names:
        loaded = out(graph.add("ADE_LoadAnimateDiffModel", model_name=f"{name}.safetensors"))
        if modules is None:
            modules = out(graph.add("ADE_ApplyAnimateDiffModelSimple", motion_model=loaded, **lora))
        else:
            span = {"start_percent": 0.0, "end_percent": 1.0}
            modules = out(graph.add("ADE_ApplyAnimateDiffModel", motion_model=loaded, prev_m_models=modules, **span))
    return modules


def begin(frames=16, side=8, **options):
    graph = Graph()
    model = load(graph, **options)
    wanted, nothing = out(graph.add("ProbeText", text="a dog")), out(graph.add("ProbeText", text=""))
    clip = graph.add("ProbeClip", frames=frames, side=side)
    return graph, model, clip, wanted, nothing


def learn(graph, model, clip, wanted, **changes):
    usual = {"preset": "official", "steps": 3, "sites": "all", "learning_rate": 0.1}
    return out(graphs.train(graph, model, clip, wanted, **{**usual, **changes}))


def sample(graph, model, wanted, nothing, frames=16):
    return graphs.sample(graph, model, wanted, nothing, steps=2, frames=frames)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_motion_leaves_nothing_behind_for_the_next_run(host, version):
    graph, model, clip, wanted, nothing = begin(version=version)
    node = probe(graph, sample(graph, model, wanted, nothing))
    alone = host.run(graph)[node]
    host.forget()  # else the host would hand out what it made before
    graph, model, clip, wanted, nothing = begin(version=version)
    motion = learn(graph, model, clip, wanted)
    applied = graphs.apply(graph, model, motion)
    nodes = []
    for seen in (applied, model, graphs.apply(graph, model, motion)):
        nodes.append(probe(graph, sample(graph, seen, wanted, nothing)))
    results = host.run(graph)
    first, second, third = (results[node] for node in nodes)
    assert first == third != second == alone


@pytest.mark.parametrize("version", VERSIONS)
def test_previews_are_shown_and_change_nothing_that_is_learnt(host, version):
    graph, model, clip, wanted, nothing = begin(version=version)
    shown = [{"preview_every": 2}, {"preview_every": 1, "preview": nothing}]
    check_previews(host, graph, model, lambda **each: learn(graph, model, clip, wanted, **each)[0], shown)


def test_zero_strengths_change_no_bit_and_each_part_changes_the_result(host):
    graph, model, clip, wanted, nothing = begin()
    plain = probe(graph, sample(graph, model, wanted, nothing))
    host.run(graph)  # before learning: the host keeps it, so that it is compared with what is sampled after
    motion = learn(graph, model, clip, wanted)
    none = [
        graphs.apply(graph, model, motion, strength_qk=0.0, strength_v=0.0),
        graphs.apply(graph, model, out(graph.add("ProbePart", motion=motion, part="nothing"))),
    ]
    parts = [
        graphs.apply(graph, model, out(graph.add("ProbePart", motion=motion, part=part)))
        for part in ("qk", ".v", "attn1.v", "attn2.v")
    ]
    same = [probe(graph, sample(graph, applied, wanted, nothing)) for applied in none]
    other = [probe(graph, sample(graph, applied, wanted, nothing)) for applied in parts]
    results = host.run(graph)
    assert {results[node] for node in same} == {results[plain]}
    assert len({results[node] for node in (plain, *other)}) == 5


def test_guidance_in_one_batch_or_apart(host):
    for branches in ("both", "conditional"):
        graph, model, clip, wanted, nothing = begin()
        applied = graphs.apply(graph, model, learn(graph, model, clip, wanted), branches=branches, strength_v=3.0)
        apart = out(graph.add("ProbeLittleMemory", model=applied))
        together = sample(graph, applied, wanted, nothing)
        same = graph.add("ProbeDifference", first=together, second=sample(graph, apart, wanted, nothing))
        moved = graph.add("ProbeDifference", first=together, second=sample(graph, model, wanted, nothing))
        results = host.run(graph)
        assert float(results[same]) < 1e-2 * float(results[moved])


def test_attention_without_a_backward_gives_way_to_one_that_has_one(host):
    graph, model, clip, wanted, nothing = begin()
    blocked = out(graph.add("ProbeNoBackward", model=model))
    losses = []
    for which in (model, blocked):
        learnt = graphs.train(graph, which, clip, wanted, preset="official", steps=4, sites="all", learning_rate=0.1)
        losses.append(graph.add("ProbeLosses", losses=out(learnt, 1)))
    results = host.run(graph)
    ours, expected = ([float(loss) for loss in results[node].split()] for node in reversed(losses))
    assert ours == pytest.approx(expected, rel=1e-5) and ours[-1] != pytest.approx(ours[0], rel=1e-3)


def test_windows_get_the_motion_from_its_start_or_their_part_of_it(host):
    """With windows that do not overlap, each half of 32 frames must be what sampling it alone gives."""
    graph, plain, clip, wanted, nothing = begin()
    slid = load(graph, context=graph.add("ADE_StandardStaticContextOptions", context_length=16, context_overlap=0))
    motion = learn(graph, plain, clip, wanted)
    first_half = graph.add("ProbeStretched", motion=motion, length=32, first=0, frames=16)
    alone = {"window": motion, "absolute": out(first_half)}
    apart, other = [], []
    halves = {}
    for how, part in alone.items():
        whole = sample(graph, graphs.apply(graph, slid, motion, frame_index=how), wanted, nothing, frames=32)
        halves[how] = out(graph.add("LatentFromBatch", samples=whole, batch_index=0, length=16))
        expected = sample(graph, graphs.apply(graph, plain, part), wanted, nothing)
        apart.append(graph.add("ProbeDifference", first=halves[how], second=expected))
    unmoved = sample(graph, plain, wanted, nothing)
    other.append(graph.add("ProbeDifference", first=halves["window"], second=halves["absolute"]))
    other.append(graph.add("ProbeDifference", first=halves["absolute"], second=unmoved))
    results = host.run(graph)
    assert max(float(results[node]) for node in apart) < 1e-4 < 1e-2 < min(float(results[node]) for node in other)


CONTEXTS = {
    "ADE_StandardStaticContextOptions": {"context_overlap": 4},
    "ADE_StandardUniformContextOptions": {"context_overlap": 4, "context_stride": 1},
    "ADE_LoopedUniformContextOptions": {"context_overlap": 4, "context_stride": 2, "closed_loop": True},
    "ADE_BatchedContextOptions": {},
}


@pytest.mark.parametrize("kind", CONTEXTS)
def test_context_options(host, kind):
    graph, plain, clip, wanted, nothing = begin()
    motion = learn(graph, plain, clip, wanted)
    slid = load(graph, context=graph.add(kind, context_length=16, **CONTEXTS[kind]))
    zero = graphs.apply(graph, slid, motion, strength_qk=0.0, strength_v=0.0, frame_index="absolute")
    applied = [slid, zero, *(graphs.apply(graph, slid, motion, frame_index=how) for how in ("window", "absolute"))]
    nodes = [probe(graph, sample(graph, model, wanted, nothing, frames=32)) for model in applied]
    results = host.run(graph)
    without, at_zero, repeated, stretched = (results[node] for node in nodes)
    assert without == at_zero and len({without, repeated, stretched}) == 3


def test_views_within_a_window(host):
    graph, plain, clip, wanted, nothing = begin()
    motion = learn(graph, plain, clip, wanted)
    views = graph.add("ADE_StandardStaticViewOptions", view_length=8, view_overlap=2)
    slid = load(graph, context=graph.add("ADE_ViewsOnlyContextOptions", view_opts_req=out(views)))
    nodes = [probe(graph, sample(graph, model, wanted, nothing)) for model in (slid, graphs.apply(graph, slid, motion))]
    results = host.run(graph)
    assert results[nodes[0]] != results[nodes[1]]


@pytest.mark.parametrize("extra", ["lora", "motion_lora"])
def test_loras_are_applied_learnt_on_and_left_alone(host, extra):
    graph, bare, clip, wanted, nothing = begin(version="tiny_v2")
    model = load(graph, version="tiny_v2", **{extra: True})
    sampled = sample(graph, model, wanted, nothing)
    before = graph.add("ProbeModel", model=model, after=sampled)
    untouched = host.run(graph)[
        before
    ]  # as sampling leaves it: the host keeps a LoRA in the weights while it is loaded
    motion = learn(graph, model, clip, wanted)
    graph[before]["inputs"]["after"] = motion
    zero = graphs.apply(graph, model, motion, strength_qk=0.0, strength_v=0.0)
    applied = [zero, graphs.apply(graph, model, motion), graphs.apply(graph, bare, motion), bare]
    nodes = [
        probe(graph, latent) for latent in (sampled, *(sample(graph, which, wanted, nothing) for which in applied))
    ]
    results = host.run(graph)
    with_lora, at_zero, moved, moved_without, without = (results[node] for node in nodes)
    assert results[before] == untouched and with_lora == at_zero
    assert len({without, with_lora, moved, moved_without}) == 4


def test_weights_that_are_offloaded(host):
    graph, model, clip, wanted, nothing = begin(lora=True)
    offloaded = out(graph.add("ProbeOffload", model=model))
    here, there = (learn(graph, which, clip, wanted) for which in (model, offloaded))
    applied = [graphs.apply(graph, *pair) for pair in ((model, here), (offloaded, here), (model, there))]
    made = [sample(graph, which, wanted, nothing) for which in applied]
    used, learnt = (graph.add("ProbeDifference", first=made[0], second=other) for other in made[1:])
    moved = graph.add("ProbeDifference", first=made[0], second=sample(graph, model, wanted, nothing))
    results = host.run(graph)
    assert float(results[used]) < 1e-2 * float(results[moved])
    assert float(results[learnt]) < 1e-1 * float(results[moved])  # Adam's first steps make much of rounding


def test_two_stacked_motion_models(host):
    graph, model, clip, wanted, nothing = begin(stacked="tiny_v2")
    motion = learn(graph, model, clip, wanted)
    plain = probe(graph, sample(graph, model, wanted, nothing))
    applied = probe(graph, sample(graph, graphs.apply(graph, model, motion), wanted, nothing))
    results = host.run(graph)
    assert results[plain] != results[applied]


@pytest.mark.parametrize("weights, memory", [("default", "fast"), ("fp16", "balanced"), ("fp8_e4m3fn", "low")])
def test_learning_lowers_the_error_and_leaves_the_model_alone(host, weights, memory):
    results = []
    for _ in range(2):
        host.forget()  # else the host would hand out what it learnt before
        graph, model, clip, wanted, nothing = begin(weights=weights, frames=8)
        motion = learn(graph, model, clip, wanted, steps=8, memory=memory)
        learnt, first = probe(graph, motion), graph.add("ProbeModel", model=model)
        before = probe(graph, sample(graph, model, wanted, nothing, frames=8))
        without = graph.add("ProbeLoss", model=model, latent=out(clip), positive=wanted)
        applied = graphs.apply(graph, model, motion)
        withit = graph.add("ProbeLoss", model=applied, latent=out(clip), positive=wanted)
        after = graph.add("ProbeModel", model=model, after=motion)
        shown = host.run(graph)
        assert shown[first] == shown[after]
        results.append((shown[learnt], shown[before], shown[withit]))
        assert float(shown[withit]) < 0.9 * float(shown[without])  # 1 is all that a random model can reach
    assert results[0] == results[1]


@pytest.mark.parametrize("weights", ["default", "fp16", "fp8_e4m3fn"])
def test_one_noise_at_one_level_is_learnt_by_heart(host, weights):
    graph, model, clip, wanted, _ = begin(weights=weights)
    node = graph.add("ProbeByHeart", model=model, latent=out(clip), positive=wanted)
    first, last = map(float, host.run(graph)[node].split())
    assert last < 2 / 3 * first


@pytest.mark.parametrize("version", VERSIONS)
def test_memory_modes_learn_the_same(host, version):
    losses = []
    for memory in ("fast", "balanced", "low"):
        graph, model, clip, wanted, _ = begin(version=version)
        applied = graphs.apply(graph, model, learn(graph, model, clip, wanted, memory=memory))
        node = graph.add("ProbeLoss", model=applied, latent=out(clip), positive=wanted)
        losses.append(float(host.run(graph)[node]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-3) == pytest.approx(losses[2], rel=1e-3)


def test_cancelled_at_any_step_nothing_is_left(host):
    def start(cancel_at, seed):
        graph, model, clip, wanted, _ = begin(frames=2)
        armed = out(graph.add("ProbeCancelAt", model=model, step=cancel_at))
        motion = learn(graph, armed, clip, wanted, steps=20, sites="deepest", seed=seed)
        probe(graph, motion)
        graph.add("ProbeModel", model=model, after=motion)
        return graph

    fresh = host.run(start(cancel_at=0, seed=0))
    for step in range(1, 21):
        with pytest.raises(Interrupted):
            host.run(start(cancel_at=step, seed=step))
    assert host.run(start(cancel_at=0, seed=0)) == fresh  # learnt anew, on the very model that was cancelled on


def failing(host, graph) -> str:
    with pytest.raises(Failed) as caught:
        host.run(graph)
    return caught.value.message


def test_a_model_without_motion_modules(host):
    graph, model, clip, wanted, nothing = begin()
    still = out(graph.add("UNETLoader", unet_name="tiny_sd15.safetensors", weight_dtype="default"))
    probe(graph, learn(graph, still, clip, wanted))
    assert "no temporal attention" in failing(host, graph)
    graph, model, clip, wanted, nothing = begin()
    still = out(graph.add("UNETLoader", unet_name="tiny_sd15.safetensors", weight_dtype="default"))
    probe(graph, sample(graph, graphs.apply(graph, still, learn(graph, model, clip, wanted)), wanted, nothing))
    assert "no temporal attention" in failing(host, graph)


def test_a_motion_learnt_at_other_channels(host):
    graph, model, clip, wanted, nothing = begin()
    narrow = out(graph.add("ProbeNarrow", motion=learn(graph, model, clip, wanted)))
    probe(graph, sample(graph, graphs.apply(graph, model, narrow), wanted, nothing))
    assert "channels" in failing(host, graph)


def test_a_motion_of_the_other_family(host):
    graph, model, clip, wanted, nothing = begin()
    starter, latent = graphs.load(graph)
    motion = out(graphs.train(graph, out(starter), latent, graphs.write(graph, starter, "")))
    probe(graph, sample(graph, graphs.apply(graph, model, motion), wanted, nothing))
    results = failing(host, graph)
    assert "zeroscope family" in results and "animatediff family" in results
