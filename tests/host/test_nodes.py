"""The nodes in graphs on a live host."""

import pytest

from motion_core.diffusion.schedule import NoiseSchedule
from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.live_host import Failed, Interrupted

EVALUATION = (
    "TrackMotion",
    "MotionFidelity",
    "TextSimilarity",
    "TemporalConsistency",
    "CompareVideos",
    "MotionReport",
)
NODES = (
    "LoadReferenceVideo",
    "RecolourReferenceVideo",
    "EncodeReferenceVideo",
    "AugmentReferenceVideo",
    "LoadVideoDiffusionModel",
    "TrainMotionEmbedding",
    "DebiasValueEmbedding",
    "ApplyMotionEmbedding",
    "InvertReferenceVideo",
    "InversionNoiseMix",
    "SaveMotionEmbedding",
    "LoadMotionEmbedding",
    "MotionReferenceSet",
    "StopByAppearance",
    "TrainMotionAdapter",
    "ApplyMotionAdapter",
    "SaveMotionAdapter",
    "LoadMotionAdapter",
    "MotionGuidance",
    *EVALUATION,
)


@pytest.mark.parametrize("name", NODES)
def test_every_input_and_output_is_explained(host, name):
    info = host.ask(f"/object_info/{name}")[name]
    inputs = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
    assert inputs and all(results[1].get("tooltip") for results in inputs.values()), inputs
    assert len(info["output_tooltips"]) == len(info["output"]) and all(info["output_tooltips"])
    assert info["description"] and info["category"] == "motion inversion" + "/evaluation" * (name in EVALUATION)


def start(frames=16, **training):
    graph = Graph()
    model, latent = graphs.load(graph, frames)
    reference = graphs.write(graph, model, graphs.REFERENCE)
    motion = out(graphs.train(graph, out(model), latent, reference, **training))
    wanted, nothing = graphs.write(graph, model, "a blue square on a black ground"), graphs.write(graph, model, "")
    return graph, model, latent, motion, wanted, nothing


def test_a_motion_leaves_nothing_behind_for_the_next_run(host):
    graph, model, _, motion, wanted, nothing = start()
    plain = probe(graph, graphs.sample(graph, out(model), wanted, nothing))
    alone = host.run(graph)[plain]
    for branches in ("both", "conditional"):
        host.forget()  # else the host would hand out what it made before
        graph, model, _, motion, wanted, nothing = start()
        results = []
        for patched in (True, False, True):
            applied = graphs.apply(graph, out(model), motion, branches=branches) if patched else out(model)
            results.append(probe(graph, graphs.sample(graph, applied, wanted, nothing)))
        shown = host.run(graph)
        first, second, third = (shown[node] for node in results)
        assert first == third and second == alone and first != second


def test_retired_widgets_are_accepted_and_change_nothing(host):
    graph = Graph()
    model, latent = graphs.load(graph, 16)
    reference = graphs.write(graph, model, graphs.REFERENCE)
    plain = graphs.train(graph, out(model), latent, reference)
    retired = graphs.train(graph, out(model), latent, reference, pool=48, early_stop="on")
    nodes = [probe(graph, out(node)) for node in (plain, retired)]
    results = host.run(graph)
    assert results[nodes[0]] == results[nodes[1]]
    assert "pool and early_stop" in host.log.read_text(encoding="utf-8")


def test_the_host_predicts_the_same_bits_as_the_core(host):
    graph = Graph()
    model, latent = graphs.load(graph, 16)
    reference = graphs.write(graph, model, graphs.REFERENCE)
    node = graph.add("ProbeExact", model=out(model), latent=out(latent), positive=reference)
    assert host.run(graph)[node] == "0.0"


def test_timesteps_clipping_and_averaging_change_what_is_learnt(host):
    graph = Graph()
    model, latent = graphs.load(graph, 16)
    reference = graphs.write(graph, model, graphs.REFERENCE)
    as_preset = [  # the starter's timesteps are 500 to 999, and it is steady
        {}, {"timesteps": "preset's", "steady": "preset's"}, {"timesteps": " "}, {"timesteps": " 500-999 "},
        {"steady": "on"},
    ]  # fmt: skip
    others = [{"timesteps": "all"}, {"timesteps": "coarse:0.5"}, {"steady": "off"}]
    learnt = [graphs.train(graph, out(model), latent, reference, **changes) for changes in as_preset + others]
    nodes = [probe(graph, out(node)) for node in learnt]
    results = host.run(graph)
    first, *same = (results[node] for node in nodes[: len(as_preset)])
    assert set(same) == {first}
    assert len({first, *(results[node] for node in nodes[len(as_preset) :])}) == 4


def test_zero_strengths_change_no_bit(host):
    graph, model, _, motion, wanted, nothing = start()
    plain = probe(graph, graphs.sample(graph, out(model), wanted, nothing))
    same = [
        graphs.apply(graph, out(model), motion, strength_qk=0.0, strength_v=0.0),
        graphs.apply(graph, out(model), motion, start=0.0, end=0.0),
        graphs.apply(graph, out(model), motion, start=1.0, end=1.0, strength_v=0.0, strength_qk=0.0),
    ]
    nodes = [probe(graph, graphs.sample(graph, applied, wanted, nothing)) for applied in same]
    results = host.run(graph)
    assert {results[node] for node in nodes} == {results[plain]}


def test_the_strength_fades_before_the_end(host):
    graph, model, _, motion, wanted, nothing = start()
    given = [{}, {"fade": 0.0}, {"fade": 1.0}, {"end": 0.5}, {"end": 0.5, "fade": 0.5}, {"end": 0.0, "fade": 0.5}]
    applied = [graphs.apply(graph, out(model), motion, **each) for each in given] + [out(model)]
    nodes = [probe(graph, graphs.sample(graph, each, wanted, nothing)) for each in applied]
    results = host.run(graph)
    plain, none, whole, half, half_fading, never, without = (results[node] for node in nodes)
    assert plain == none and never == without
    assert len({plain, whole, half, half_fading, without}) == 5


def test_a_motion_is_trained_on_and_applied_to_a_compiled_model(host):
    graph, model, latent, motion, wanted, nothing = start()
    compiled = out(graph.add("ProbeCompiled", model=out(model)))
    plain = graphs.sample(graph, compiled, wanted, nothing)
    probe(graph, plain)
    host.run(graph)  # without the motion first: what is compiled then knows nothing of it
    again = graphs.train(graph, compiled, latent, graphs.write(graph, model, graphs.REFERENCE))
    motions = probe(graph, motion), probe(graph, out(again))
    applied = graphs.sample(graph, graphs.apply(graph, compiled, motion), wanted, nothing)
    expected = graphs.sample(graph, graphs.apply(graph, out(model), motion), wanted, nothing)
    same, moved = (graph.add("ProbeDifference", first=applied, second=other) for other in (expected, plain))
    results = host.run(graph)
    assert float(results[same]) < 1e-2 * float(results[moved])
    assert results[motions[0]] == results[motions[1]]


def test_two_motions_add_up(host):
    graph, model, latent, motion, wanted, nothing = start()
    once = graphs.apply(graph, out(model), motion, strength_v=3.0)
    twice = graphs.apply(graph, once, motion, strength_v=3.0)
    double = graphs.apply(graph, out(model), motion, strength_qk=2.0, strength_v=6.0)
    made = [graphs.sample(graph, applied, wanted, nothing) for applied in (once, twice, double)]
    moved = graph.add("ProbeDifference", first=made[0], second=made[1])
    apart = graph.add("ProbeDifference", first=made[1], second=made[2])
    results = host.run(graph)
    assert float(results[apart]) < 1e-3 < 1e-2 < float(results[moved])


def test_guidance_in_one_batch_or_apart(host):
    for branches in ("both", "conditional"):
        graph, model, _, motion, wanted, nothing = start()
        applied = graphs.apply(graph, out(model), motion, branches=branches, strength_v=3.0)
        apart = out(graph.add("ProbeLittleMemory", model=applied))
        together, alone = (graphs.sample(graph, which, wanted, nothing) for which in (applied, apart))
        plain = graphs.sample(graph, out(model), wanted, nothing)
        same = graph.add("ProbeDifference", first=together, second=alone)
        moved = graph.add("ProbeDifference", first=together, second=plain)
        results = host.run(graph)
        assert float(results[same]) < 1e-3 < 1e-2 < float(results[moved])


def slide(host, graph, model, **changes):
    """The model through the host's own context windows of 16 frames, with the node's defaults."""
    usual = graphs.defaults(host, "ContextWindowsManual")
    return out(graph.add("ContextWindowsManual", model=model, **{**usual, **changes}))


def test_the_hosts_own_context_windows(host):
    graph, model, _, motion, wanted, nothing = start()
    slid = slide(host, graph, out(model))
    nodes = [probe(graph, graphs.sample(graph, slid, wanted, nothing, frames=32))]
    try:
        host.run(graph)
    except Failed as failed:
        pytest.skip(f"this host's own context windows fail on a batch of frames: {failed}")
    zero = graphs.apply(graph, slid, motion, strength_qk=0.0, strength_v=0.0)
    ways = [graphs.apply(graph, slid, motion, strength_v=3.0, frame_index=how) for how in ("window", "absolute")]
    for applied in (zero, *ways):
        nodes.append(probe(graph, graphs.sample(graph, applied, wanted, nothing, frames=32)))
    results = host.run(graph)
    without, at_zero, repeated, stretched = (results[node] for node in nodes)
    assert without == at_zero and len({without, repeated, stretched}) == 3


def test_a_window_with_an_anchor_frame_moves_as_a_plain_forward_does(host):
    """The second window of 32 frames is sampled with frame 15 before it, as if the 17 frames were sampled alone."""
    if "causal_window_fix" not in graphs.defaults(host, "ContextWindowsManual"):
        pytest.skip("this host puts no anchor frame before a window")
    graph, model, _, motion, wanted, nothing = start(learning_rate=0.1)
    slid = slide(host, graph, out(model), context_overlap=0)
    small = graphs.sample(graph, out(model), wanted, nothing, frames=32, steps=1)
    whole = out(graph.add("LatentMultiply", samples=small, multiplier=10.0))
    anchored = out(graph.add("LatentFromBatch", samples=whole, batch_index=15, length=17))
    alone = {
        "window": out(graph.add("ProbeHeldFirst", motion=motion)),
        "absolute": out(graph.add("ProbeStretched", motion=motion, length=32, first=15, frames=17)),
    }
    apart, seconds = [], {}
    for how, part in alone.items():
        applied = graphs.apply(graph, slid, motion, frame_index=how)
        together = graphs.sample_from(graph, applied, wanted, nothing, whole, 1)
        seconds[how] = out(graph.add("LatentFromBatch", samples=together, batch_index=16, length=16))
        single = graphs.sample_from(graph, graphs.apply(graph, out(model), part), wanted, nothing, anchored, 1)
        expected = out(graph.add("LatentFromBatch", samples=single, batch_index=1, length=16))
        apart.append(graph.add("ProbeDifference", first=seconds[how], second=expected))
    plain = graphs.sample_from(graph, slid, wanted, nothing, whole, 1)
    unmoved = out(graph.add("LatentFromBatch", samples=plain, batch_index=16, length=16))
    moved = [graph.add("ProbeDifference", first=second, second=unmoved) for second in seconds.values()]
    moved.append(graph.add("ProbeDifference", first=seconds["window"], second=seconds["absolute"]))
    results = host.run(graph)
    assert max(float(results[node]) for node in apart) < 1e-4 < 1e-3 < min(float(results[node]) for node in moved)


def test_training_is_reproducible_and_leaves_the_model_alone(host):
    results = []
    for colourings in (1, 1, 3):
        host.forget()  # else the host would hand out what it learnt before
        graph = Graph()
        model, latent = graphs.load(graph)
        if colourings > 1:
            latent = recoloured(graph, model, colourings)
        reference = graphs.write(graph, model, graphs.REFERENCE)
        before = graph.add("ProbeModel", model=out(model))
        motion = out(graphs.train(graph, out(model), latent, reference, colourings=colourings))
        after = graph.add("ProbeModel", model=out(model), after=motion)
        learnt = probe(graph, motion)
        shown = host.run(graph)
        assert shown[before] == shown[after]
        results.append(shown[learnt])
    assert results[0] == results[1] != results[2]


def recoloured(graph, model, colourings):
    frames = next(name for name in graph if name.startswith("LoadReferenceVideo"))
    many = graph.add("RecolourReferenceVideo", images=out(frames), colourings=colourings)
    return graph.add("VAEEncode", pixels=out(many), vae=out(model, 2))


def test_cancelled_at_any_step_nothing_is_left(host):
    def learn(cancel_at, seed):
        graph = Graph()
        model, latent = graphs.load(graph, frames=4)
        armed = graph.add("ProbeCancelAt", model=out(model), step=cancel_at)
        motion = out(graphs.train(graph, out(armed), latent, graphs.write(graph, model, ""), steps=20, seed=seed))
        probe(graph, motion)
        graph.add("ProbeModel", model=out(model), after=motion)
        return graph

    fresh = host.run(learn(cancel_at=0, seed=0))
    for step in range(1, 21):
        with pytest.raises(Interrupted):
            host.run(learn(cancel_at=step, seed=step))
    assert host.run(learn(cancel_at=0, seed=0)) == fresh  # learnt anew, on the very model that was cancelled on


def test_the_hosts_prediction_equals_the_models(host):
    graph = Graph()
    model, _ = graphs.load(graph)
    node = graph.add("ProbeForward", model=out(model), positive=graphs.write(graph, model, graphs.REFERENCE))
    assert float(host.run(graph)[node]) < 1e-4


def test_a_saved_motion_comes_back(host):
    graph, *_, motion, _, _ = start()
    saved = graph.add("SaveMotionEmbedding", motion=motion, name="spun")
    learnt = probe(graph, motion)
    first = host.run(graph)[learnt]
    assert (host.work / "models" / "motion_embeddings" / "spun.safetensors").exists(), saved
    graph = Graph()
    node = probe(graph, out(graph.add("LoadMotionEmbedding", motion="spun.safetensors")))
    once = host.run(graph)[node]
    assert once and once == host.run(graph)[node]
    assert first  # in fp32; the file is fp16, so the digests differ


def test_inverted_noise_is_mixed(host):
    graph, model, latent, _, wanted, nothing = start()
    inverted = graph.add("InvertReferenceVideo", model=out(model), latent=out(latent), positive=nothing, steps=4)
    results = {}
    for method in ("blend", "inversion", "random", "low_frequency_replace"):
        mixed = graph.add("InversionNoiseMix", inverted=out(inverted), method=method, beta=0.5, factor=4, seed=3)
        by_latent = graphs.sample_from(graph, out(model), wanted, nothing, out(mixed, 1), steps=4)
        by_noise = graphs.sample_custom(graph, out(model), wanted, nothing, out(mixed), steps=4)
        results[method] = (probe(graph, by_latent), probe(graph, by_noise))
    shown = host.run(graph)
    digests = {method: (shown[a], shown[b]) for method, (a, b) in results.items()}
    assert len({a for a, _ in digests.values()}) == 4 and len({b for _, b in digests.values()}) == 4


def test_the_inversion_is_kept_while_the_mix_changes(host):
    graph, model, latent, _, wanted, nothing = start()
    inverted = graph.add("InvertReferenceVideo", model=out(model), latent=out(latent), positive=nothing, steps=4)
    mixed = graph.add("InversionNoiseMix", inverted=out(inverted), method="blend", beta=0.5, factor=4, seed=3)
    noise = probe(graph, out(mixed, 1))
    first = host.run(graph)[noise]
    graph[mixed]["inputs"]["beta"] = 0.9
    number = host.queue(graph)
    results = host.wait(number)
    assert inverted in host.kept(number) and mixed not in host.kept(number)
    assert results[noise]["text"][0] != first


def test_a_video_socket_is_a_reference(host):
    graph = Graph()
    made = graph.add("CreateVideo", images=out(graphs.load_clip(graph)), fps=8.0)
    again = graphs.load_clip(graph, frames=8, video="", clip=out(made))
    node = graph.add("ProbeNumbers", value=out(again))
    first, second = host.run(graph)[node], host.run(graph)[node]
    assert first == second and first.startswith("(8, 64, 64, 3)")


def test_both_outputs_of_the_mix_start_the_sampler_at_its_noise_level(host):
    steps = 20
    graph, model, latent, _, wanted, nothing = start()
    inverted = graph.add("InvertReferenceVideo", model=out(model), latent=out(latent), positive=nothing, steps=steps)
    mixed = graph.add("InversionNoiseMix", inverted=out(inverted), method="random", beta=0.5, factor=4, seed=3)
    level = graph.add("ProbeNumbers", value=out(mixed, 1))
    by_latent = graphs.sample_from(graph, out(model), wanted, nothing, out(mixed, 1), steps)
    by_noise = graphs.sample_custom(graph, out(model), wanted, nothing, out(mixed), steps)
    apart = graph.add("ProbeDifference", first=by_latent, second=by_noise)
    plain = graph.add("ProbeDifference", first=by_latent, second=graphs.sample(graph, out(model), wanted, nothing))
    results = host.run(graph)
    schedule = NoiseSchedule.scaled_linear()
    alpha_bar = float(schedule.alpha_bars[schedule.levels(steps)[0]])
    assert float(results[level].split()[-1]) == pytest.approx(alpha_bar**-0.5, rel=0.03)  # sqrt(1 + sigma^2)
    assert float(results[apart]) < 0.1 * float(results[plain])  # the host itself starts from sigma instead, .4 % less


def test_the_hosts_own_plot_takes_the_losses(host):
    graph = Graph()
    model, latent = graphs.load(graph)
    learnt = graphs.train(graph, out(model), latent, graphs.write(graph, model, ""), steps=4)
    plot = graph.add("LossGraphNode", loss=out(learnt, 1), filename_prefix="losses")
    assert host.wait(host.queue(graph))[plot]["images"]


def test_a_mask_says_where_the_motion_to_learn_is(host):
    results = []
    for value, width in ((1.0, 64), (1.0, 32)):
        graph = Graph()
        model, latent = graphs.load(graph)
        white = graph.add("SolidMask", value=value, width=width, height=64)
        black = graph.add("SolidMask", value=0.0, width=64, height=64)
        mask = graph.add("MaskComposite", destination=out(black), source=out(white), x=0, y=0, operation="add")
        learnt = graphs.train(graph, out(model), latent, graphs.write(graph, model, ""), mask=out(mask))
        node = probe(graph, out(learnt))
        results.append(host.run(graph)[node])
    assert results[0] != results[1]


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_half_precision_learns_and_moves(host, dtype):
    graph = Graph()
    model, latent = graphs.load(graph, frames=4, dtype=dtype)
    wanted, nothing = graphs.write(graph, model, "a blue square on a black ground"), graphs.write(graph, model, "")
    motion = out(graphs.train(graph, out(model), latent, nothing, steps=3))
    moved = graphs.sample(graph, graphs.apply(graph, out(model), motion, strength_v=3.0), wanted, nothing, frames=4)
    plain = graphs.sample(graph, out(model), wanted, nothing, frames=4)
    apart = graph.add("ProbeDifference", first=moved, second=plain)
    frames = graph.add("ProbeNumbers", value=out(graph.add("VAEDecode", samples=moved, vae=out(model, 2))))
    results = host.run(graph)
    assert 0.01 < float(results[apart]) < 10 and "nan" not in results[frames]
