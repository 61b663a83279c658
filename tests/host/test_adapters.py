"""The published recipes in graphs on a live host, on the starter model and, where it is there, AnimateDiff-Evolved."""

import pytest
import torch

from motion_core.recipes.catalogue import ADAPTER_PRESETS, ADAPTER_RECIPES
from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.live_host import ANIMATEDIFF, HOW_TO_GET_ANIMATEDIFF, Failed, Interrupted
from tests.host.test_animatediff import begin

RECIPES = {recipe.name: recipe for recipe in ADAPTER_RECIPES}
EACH = pytest.mark.parametrize("recipe", RECIPES)
FRAMES = 4


def start_on_starter():
    graph = Graph()
    model, latent = graphs.load(graph, FRAMES)
    return graph, out(model), out(latent), *(graphs.write(graph, model, text) for text in ("a red circle", ""))


def start_on_animatediff(host):
    if ANIMATEDIFF not in host.packs:
        pytest.skip(HOW_TO_GET_ANIMATEDIFF)
    graph, model, clip, wanted, nothing = begin(frames=FRAMES)
    return graph, model, out(clip), wanted, nothing


def learn(graph, model, latent, wanted, nothing, recipe, **changes):
    """By the recipe, with the clip itself as what must not be forgotten where the recipe asks for such."""
    if RECIPES[recipe].needs_regularisation:
        kept = graph.add("MotionReferenceSet", latent=latent, positive=nothing, role="regularisation")
        changes["references"] = out(kept)
    return out(graphs.train_adapter(graph, model, latent, wanted, recipe=recipe, **changes))


def sample(graph, model, wanted, nothing):
    return graphs.sample(graph, model, wanted, nothing, steps=2, frames=FRAMES)


@EACH
@pytest.mark.parametrize("family", ["starter", "animatediff"])
def test_a_motion_leaves_nothing_behind_for_the_next_run(host, recipe, family):
    begun = start_on_starter() if family == "starter" else start_on_animatediff(host)
    graph, model, latent, wanted, nothing = begun
    plain = sample(graph, model, wanted, nothing)
    before = graph.add("ProbeModel", model=model, after=plain)
    alone = probe(graph, plain)
    first = host.run(graph)
    adapter = learn(graph, model, latent, wanted, nothing, recipe)
    graph[before]["inputs"]["after"] = adapter
    learnt = probe(graph, adapter)
    applied = [
        probe(graph, sample(graph, graphs.apply_adapter(graph, model, adapter, strength=strength), wanted, nothing))
        for strength in (1.0, 0.0, 1.0)
    ]
    results = host.run(graph)
    assert results[before] == first[before] and results[applied[1]] == first[alone]
    assert results[applied[0]] == results[applied[2]] != first[alone]
    host.forget()  # else the host would hand out what it learnt before
    again = host.run(graph)
    assert again[learnt] == results[learnt] and again[applied[0]] == results[applied[0]]


def test_temporal_parts_can_be_applied_alone(host):
    graph, model, latent, wanted, nothing = start_on_starter()
    adapter = learn(graph, model, latent, wanted, nothing, "motion_matcher")
    ways = [graphs.apply_adapter(graph, model, adapter, parts=parts) for parts in ("all", "temporal")]
    late = graphs.apply_adapter(graph, model, adapter, start=1.0)
    nodes = [probe(graph, sample(graph, applied, wanted, nothing)) for applied in (*ways, late, model)]
    results = host.run(graph)
    whole, temporal, unapplied, plain = (results[node] for node in nodes)
    assert len({whole, temporal, plain}) == 3 and unapplied == plain


def test_a_set_of_clips_is_learnt_from(host):
    graph, model, latent, wanted, nothing = start_on_starter()
    other = graphs.load_clip(graph, frames=FRAMES, video="example: spiral.mp4")
    loader = next(name for name in graph if name.startswith("LoadVideoDiffusionModel"))
    encoded = graph.add("VAEEncode", pixels=out(other), vae=out(loader, 2))
    more = graph.add("MotionReferenceSet", latent=out(encoded), positive=nothing, role="shows the motion")
    adapters = [
        out(graphs.train_adapter(graph, model, latent, wanted, steps=4)),
        out(graphs.train_adapter(graph, model, latent, wanted, steps=4, references=out(more))),
    ]
    nodes = [probe(graph, adapter) for adapter in adapters]
    results = host.run(graph)
    assert results[nodes[0]] != results[nodes[1]]


def test_a_preset_has_its_own_numbers(host):
    graph, model, latent, wanted, nothing = start_on_starter()
    own = {"recipe": "vmc", "learning_rate": 0.0}
    nodes = [probe(graph, learn(graph, model, latent, wanted, nothing, preset=p, **own)) for p in ADAPTER_PRESETS]
    results = host.run(graph)
    assert len({results[node] for node in nodes}) == len(ADAPTER_PRESETS)


def test_a_saved_adapter_comes_back(host):
    graph, model, latent, wanted, nothing = start_on_starter()
    adapter = learn(graph, model, latent, wanted, nothing, "motion_director")
    graph.add("SaveMotionAdapter", adapter=adapter, name="directed", format="motion adapter")
    applied = sample(graph, graphs.apply_adapter(graph, model, adapter), wanted, nothing)
    probe(graph, applied)
    host.run(graph)
    assert (host.work / "models" / "motion_adapters" / "directed.safetensors").exists()
    loaded = out(graph.add("LoadMotionAdapter", adapter="directed.safetensors"))
    again = sample(graph, graphs.apply_adapter(graph, model, loaded), wanted, nothing)
    apart = graph.add("ProbeDifference", first=applied, second=again)
    moved = graph.add("ProbeDifference", first=applied, second=sample(graph, model, wanted, nothing))
    results = host.run(graph)
    assert float(results[apart]) < 1e-1 * float(results[moved])  # the file is fp16


def test_a_motion_lora_of_animatediff_comes_in(host):
    graph, model, _, wanted, nothing = start_on_animatediff(host)
    loaded = out(graph.add("LoadMotionAdapter", adapter="motion LoRA: tiny_motion_lora.safetensors"))
    ways = (graphs.apply_adapter(graph, model, loaded), model)
    nodes = [probe(graph, sample(graph, applied, wanted, nothing)) for applied in ways]
    results = host.run(graph)
    assert results[nodes[0]] != results[nodes[1]]


def encode(graph, images):
    loader = next(name for name in graph if name.startswith("LoadVideoDiffusionModel"))
    return out(graph.add("VAEEncode", pixels=images, vae=out(loader, 2)))


@pytest.mark.parametrize("family", ["starter", "animatediff"])
def test_single_frames_regularise(host, family):
    begun = start_on_starter() if family == "starter" else start_on_animatediff(host)
    graph, model, latent, wanted, nothing = begun
    nodes = []
    for length, clips in ((1, 1), (2, 2), (FRAMES, 1)):
        part = out(graph.add("LatentFromBatch", samples=latent, batch_index=0, length=length))
        kept = graph.add("MotionReferenceSet", latent=part, positive=nothing, role="regularisation", clips=clips)
        recipe = {"recipe": "customizing_motion", "references": out(kept), "steps": 4}
        nodes.append(probe(graph, out(graphs.train_adapter(graph, model, latent, wanted, **recipe))))
    results = host.run(graph)
    assert len({results[node] for node in nodes}) == 3


@pytest.mark.parametrize("family", ["starter", "animatediff"])
def test_pictures_of_a_subject(host, family):
    begun = start_on_starter() if family == "starter" else start_on_animatediff(host)
    graph, model, latent, wanted, nothing = begun
    kept = out(graph.add("MotionReferenceSet", latent=latent, positive=nothing, role="regularisation"))
    pictures = out(graph.add("LatentFromBatch", samples=latent, batch_index=0, length=2))
    both = out(graph.add("MotionReferenceSet", latent=pictures, positive=wanted, role="subject", references=kept))
    recipe = {"recipe": "customizing_motion", "steps": 2}
    plain, learnt = (
        probe(graph, out(graphs.train_adapter(graph, model, latent, wanted, references=given, **recipe)))
        for given in (kept, both)
    )
    results = host.run(graph)
    assert results[plain] != results[learnt]
    probe(graph, out(graphs.train_adapter(graph, model, latent, wanted, references=both)))
    assert "motion_director changes nothing within frames" in failing(host, graph)


def test_versions_of_a_clip_are_learnt_from(host):
    graph, model, latent, wanted, nothing = start_on_starter()
    frames = out(next(name for name in graph if name.startswith("LoadReferenceVideo")))
    results = {}
    for name, versions, seed in (("one", 1, 0), ("three", 3, 0), ("others", 3, 1)):
        many = graph.add("AugmentReferenceVideo", images=frames, versions=versions, augment="both", seed=seed)
        more = graph.add(
            "MotionReferenceSet", latent=encode(graph, out(many)), positive=nothing, role="shows the motion",
            clips=out(many, 1),
        )  # fmt: skip
        learnt = graphs.train_adapter(graph, model, latent, wanted, steps=4, references=out(more))
        results[name] = [probe(graph, out(learnt)), graph.add("ProbeNumbers", value=out(many))]
    again = graph.add("MotionReferenceSet", latent=latent, positive=nothing, role="shows the motion")
    results["plain"] = [
        probe(graph, out(graphs.train_adapter(graph, model, latent, wanted, steps=4, references=out(again))))
    ]
    shown = host.run(graph)
    digests = {name: shown[nodes[0]] for name, nodes in results.items()}
    assert digests["one"] == digests["plain"] and len(set(digests.values())) == 3
    assert [shown[results[name][1]].split(")")[0] for name in ("one", "three")] == ["(4, 64, 64, 3", "(12, 64, 64, 3"]


def watch(graph, loader, wanted, nothing, **changes):
    """Previews of "a red circle", through the two halves of a CLIP of random weights."""
    usual = {"prompt": "a red circle V*", "every": 1, "floor": -1.0, "patience": 0, "steps": 2, "cfg": 6.0, "seed": 0}
    return out(
        graph.add(
            "StopByAppearance", positive=wanted, negative=nothing, vae=out(loader, 2),
            clip_vision=out(graph.add("ProbePictureHalf", width=32)),
            clip=out(graph.add("ProbeTextHalf", projection=1.0)), **{**usual, **changes},
        )
    )  # fmt: skip


@pytest.mark.parametrize("family", ["starter", "animatediff"])
def test_previews_change_nothing_that_is_learnt(host, family):
    begun = start_on_starter() if family == "starter" else start_on_animatediff(host)
    graph, model, latent, wanted, nothing = begun
    loader = graph.add("LoadVideoDiffusionModel", model=graphs.STARTER, dtype="as stored")  # for its VAE
    before = graph.add("ProbeModel", model=model)
    ended = watch(graph, loader, wanted, nothing, floor=1.0)
    learnt = {
        "ended": graphs.train_adapter(graph, model, latent, wanted, steps=3, early_stop=ended),
        "one": graphs.train_adapter(graph, model, latent, wanted, steps=1),
        "three": graphs.train_adapter(graph, model, latent, wanted, steps=3),
        "last": graphs.train_adapter(
            graph, model, latent, wanted, steps=3, early_stop=watch(graph, loader, wanted, nothing, floor=-0.99)
        ),
    }
    nodes = {name: probe(graph, out(node)) for name, node in learnt.items()}
    after = graph.add("ProbeModel", model=model, after=out(learnt["ended"]))
    plain = probe(graph, sample(graph, model, wanted, nothing))
    results = host.run(graph)
    assert results[before] == results[after] and results[plain]
    assert results[nodes["ended"]] == results[nodes["one"]] != results[nodes["three"]]
    assert results[nodes["last"]] == results[nodes["three"]]


def test_cancelled_nothing_is_left(host):
    def run(cancel_at):
        graph, model, latent, wanted, nothing = start_on_starter()
        armed = out(graph.add("ProbeCancelAt", model=model, step=cancel_at))
        adapter = learn(graph, armed, latent, wanted, nothing, "motion_matcher", steps=4)
        probe(graph, adapter)
        graph.add("ProbeModel", model=model, after=adapter)
        return host.run(graph)

    fresh = run(cancel_at=0)
    for step in (1, 2, 3):
        with pytest.raises(Interrupted):
            run(cancel_at=step)
    assert run(cancel_at=0) == fresh


def failing(host, graph) -> str:
    with pytest.raises(Failed) as caught:
        host.run(graph)
    return caught.value.message


def test_impossible_training_and_applying_are_refused(host):
    graph, model, latent, wanted, nothing = start_on_starter()
    probe(graph, out(graphs.train_adapter(graph, model, latent, wanted, recipe="customizing_motion")))
    assert "regularisation" in failing(host, graph)
    graph, model, latent, wanted, nothing = start_on_starter()
    short = graph.add("LatentFromBatch", samples=latent, batch_index=0, length=2)
    more = graph.add("MotionReferenceSet", latent=out(short), positive=nothing, role="shows the motion")
    probe(graph, out(graphs.train_adapter(graph, model, latent, wanted, references=out(more))))
    assert "same frames and size" in failing(host, graph)
    graph, model, latent, wanted, nothing = start_on_starter()
    odd = graph.add("MotionReferenceSet", latent=latent, positive=nothing, role="shows the motion", clips=3)
    probe(graph, out(graphs.train_adapter(graph, model, latent, wanted, references=out(odd))))
    assert "4 frames are not 3 clips" in failing(host, graph)
    graph, model, latent, wanted, nothing = start_on_starter()
    adapter = learn(graph, model, latent, wanted, nothing, "motion_director")
    graph.add("SaveMotionAdapter", adapter=adapter, name="lora", format="motion LoRA")
    assert "animatediff family" in failing(host, graph)


def test_a_file_of_motion_directors(host):
    """Its list for the temporal path of the starter."""
    from motion_core.models.families import recognize
    from motion_core.models.layers import select_layers
    from motion_core.models.zeroscope.loading import load_model
    from motion_core.starter.folder import find_starter

    unet = load_model(find_starter(), "cpu").denoiser.module
    layers = select_layers(recognize(unet).list_layers(), "temporal_transformer")
    pairs = [(torch.randn(layer.shape[0], 4) / 4, torch.randn(4, layer.shape[1]) / 4) for layer in layers]
    folder = host.work / "models" / "motion_adapters"
    folder.mkdir(parents=True, exist_ok=True)
    torch.save([tensor for pair in pairs for tensor in pair], folder / "directed.pt")
    graph, model, _, wanted, nothing = start_on_starter()
    loaded = out(graph.add("LoadMotionAdapter", adapter="directed.pt", model=model))
    ways = (graphs.apply_adapter(graph, model, loaded), model)
    nodes = [probe(graph, sample(graph, applied, wanted, nothing)) for applied in ways]
    results = host.run(graph)
    assert results[nodes[0]] != results[nodes[1]]
    probe(graph, out(graph.add("LoadMotionAdapter", adapter="directed.pt")))
    assert "connect the model" in failing(host, graph)
