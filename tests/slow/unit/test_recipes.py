"""The published recipes on tiny models of both families: what they learn, what they leave alone, what they refuse."""

import copy
from dataclasses import replace

import pytest
import torch
from motion_core.training.adapter_learning import fit_adapter

from motion_core.diffusion.objectives import noise_mse
from motion_core.diffusion.schedule import NoiseSchedule
from motion_core.diffusion.timesteps import CoarseNoise, Uniform
from motion_core.errors import ModelError, OptionError
from motion_core.hooks.adapter_hooks import inject_adapter
from motion_core.models.animatediff.denoiser import MotionUNetDenoiser
from motion_core.models.families import recognize
from motion_core.motions.adapter import Adapter
from motion_core.recipes.catalogue import RECIPES, find_recipe
from motion_core.recipes.recipe import Recipe
from motion_core.recipes.starter import STARTER_RECIPES
from motion_core.sampling.sample import AdaptConfig, AppliedAdapter, sample
from motion_core.training.examples import Example, ReferenceSet
from motion_core.training.feature_matching import FeatureSites, extract
from tests.conftest import seeded
from tests.quick.unit.test_animatediff import build

EACH = pytest.mark.parametrize("name", RECIPES)


@pytest.fixture(scope="module")
def references(latents, text):
    still = seeded(1, 4, 1, 8, 12, seed=2).expand_as(latents)
    return ReferenceSet([Example(latents, text)], [Example(still, seeded(1, 5, 16, seed=3))])


@pytest.fixture(scope="module")
def motion_denoiser():
    return MotionUNetDenoiser(build(), NoiseSchedule.scaled_linear())


def short(name, **changes) -> Recipe:
    return find_recipe(name).changed(**{"steps": 2, "learning_rate": 1e-2, "rank": 4, "memory": "fast", **changes})


def state(module):
    hooks = [len(m._forward_pre_hooks) + len(m._forward_hooks) for m in module.modules()]
    flags = [(p.requires_grad, p.dtype) for p in module.parameters()]
    return hooks, flags, ["forward" in vars(m) for m in module.modules()]


@EACH
def test_the_model_is_as_before_and_the_seed_decides(name, denoiser, references):
    weights, before = copy.deepcopy(denoiser.module.state_dict()), state(denoiser.module)
    random_state = torch.random.get_rng_state()
    one, same, other = (fit_adapter(denoiser, references, short(name), seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert state(denoiser.module) == before
    assert all(torch.equal(value, weights[key]) for key, value in denoiser.module.state_dict().items())
    assert one.losses == same.losses != other.losses
    for a, b in zip(one.adapter.parameters, same.adapter.parameters, strict=True):
        assert torch.equal(a, b)


@EACH
def test_stopped_in_the_middle_nothing_is_left(name, denoiser, references):
    before = state(denoiser.module)

    def interrupt(step, loss):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_adapter(denoiser, references, short(name), callback=interrupt)
    assert state(denoiser.module) == before


@EACH
def test_checkpointing_changes_nothing(name, denoiser, references):
    whole, balanced, low = (
        fit_adapter(denoiser, references, short(name, memory=memory, steps=3)) for memory in ("fast", "balanced", "low")
    )
    for other in (balanced, low):
        assert whole.losses == pytest.approx(other.losses, rel=1e-4)
        for a, b in zip(whole.adapter.parameters, other.adapter.parameters, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@EACH
def test_an_unused_setting_changes_nothing_and_a_used_one_something(name, denoiser, references):
    recipe = short(name, steps=1)
    for setting, other in {"rank": 3, "learning_rate": 2e-2, "steps": 2}.items():
        changed = recipe.changed(**{setting: other})
        one, two = (fit_adapter(denoiser, references, each).adapter.parameters for each in (recipe, changed))
        same = all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(one, two, strict=True))
        assert same == (setting in recipe.unused), setting


@EACH
def test_one_level_is_learnt(name, denoiser, references):
    """Always the same timestep; the noise differs from step to step, so the first and last few losses are compared."""
    recipe = short(name, steps=24, learning_rate=5e-3, timesteps=Uniform(600, 601))
    losses = fit_adapter(denoiser, references, recipe).losses
    assert sum(losses[-6:]) < 0.97 * sum(losses[:6])


@EACH
def test_what_is_learnt_is_felt_saved_and_felt_alike(name, denoiser, references, latents, text, tmp_path):
    adapter = fit_adapter(denoiser, references, short(name)).adapter
    adapter.save(tmp_path / "a.safetensors", torch.float32)
    loaded = Adapter.load(tmp_path / "a.safetensors")
    config = AdaptConfig(**find_recipe(name).apply)

    def make(*motions):
        return sample(denoiser, latents, text, torch.zeros_like(text), motions, steps=2, guidance=3.0)

    plain, felt, again = make(), make(AppliedAdapter(adapter, config)), make(AppliedAdapter(loaded, config))
    assert torch.equal(felt, again) and not torch.equal(felt, plain)
    off = make(AppliedAdapter(adapter, AdaptConfig(strength=0.0)))
    assert torch.equal(off, plain)
    assert torch.equal(make(AppliedAdapter(adapter, AdaptConfig(start=1.0))), plain)


@EACH
def test_animatediff_learns_by_the_same_recipe(name, motion_denoiser):
    latents, text = seeded(1, 4, 4, 8, 8), seeded(1, 5, 16, seed=1)
    references = ReferenceSet([Example(latents, text)], [Example(latents.flip(2), text)])
    learnt = fit_adapter(motion_denoiser, references, short(name))
    assert learnt.adapter.family == "animatediff" and len(learnt.losses) == 2


@pytest.mark.parametrize("name", ["zeroscope", "animatediff"])
def test_single_frames_regularise(name, denoiser, motion_denoiser):
    """16 x 16: on a single map of 1 x 1, which 8 x 8 shrinks to, oneDNN's convolution is not repeatable in backward."""
    model = denoiser if name == "zeroscope" else motion_denoiser
    latents, text = seeded(1, 4, 4, 16, 16), seeded(1, 5, 16, seed=1)
    frame, other = (Example(seeded(1, 4, 1, 16, 16, seed=seed), text) for seed in (5, 6))
    recipe = short("customizing_motion", steps=3)
    one, same, another = (
        fit_adapter(model, ReferenceSet([Example(latents, text)], [kept]), recipe).adapter
        for kept in (frame, frame, other)
    )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters, same.parameters, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters, another.parameters, strict=True))


@pytest.fixture(scope="module")
def with_subject(references):
    subjects = [Example(seeded(1, 4, 1, 8, 12, seed=seed), seeded(1, 5, 16, seed=9)) for seed in (7, 8)]
    return ReferenceSet(references.clips, references.regularisation, subjects)


def test_pictures_of_a_subject_change_nothing_along_time(denoiser, references, with_subject):
    recipe = short("customizing_motion", steps=1)
    plain, both = (fit_adapter(denoiser, given, recipe).adapter.parts for given in (references, with_subject))
    temporal = {layer.name for layer in recognize(denoiser.module).list_layers() if layer.temporal}
    assert set(plain) == set(both) and set(plain) - temporal
    for name, part in plain.items():
        same = all(torch.equal(a, b) for a, b in zip(part.tensors, both[name].tensors, strict=True))
        assert same == (name in temporal), name


def test_a_subject_is_learnt(denoiser, references):
    """Judged on noise and levels of its own: better than without its picture."""
    recipe = short("customizing_motion", steps=12, learning_rate=2e-2)
    bright = Example(torch.full((1, 4, 1, 8, 12), 3.0), seeded(1, 5, 16, seed=9))
    levels = {torch.tensor([t]): seeded(1, 4, 1, 8, 12, seed=t) for t in (200, 400, 600, 800)}

    @torch.no_grad()
    def judge(subjects):
        given = ReferenceSet(references.clips, references.regularisation, subjects)
        with inject_adapter(denoiser.module, fit_adapter(denoiser, given, recipe).adapter):
            seen = {t: denoiser.schedule.add_noise(bright.latents, eps, t) for t, eps in levels.items()}
            return sum(noise_mse(denoiser.predict(seen[t], t, bright.text), eps) for t, eps in levels.items()).item()

    assert judge([bright]) < 0.99 * judge([])


def test_a_subject_needs_layers_within_frames(denoiser, with_subject, latents, text):
    whole, low = (
        fit_adapter(denoiser, with_subject, short("customizing_motion", memory=memory)) for memory in ("fast", "low")
    )
    assert whole.losses == pytest.approx(low.losses, rel=1e-4)
    for name in ("vmc", "motion_director"):
        with pytest.raises(OptionError, match="changes nothing within frames"):
            fit_adapter(denoiser, with_subject, short(name))
    with pytest.raises(OptionError, match="a subject has 4 frames"):
        ReferenceSet([Example(latents, text)], subjects=[Example(latents, text)])


def test_the_looks_are_learnt_beside_and_thrown_away(denoiser, references):
    alone = fit_adapter(denoiser, references, short("motion_director", looks=""))
    beside = fit_adapter(denoiser, references, short("motion_director"))
    assert set(alone.adapter.parts) == set(beside.adapter.parts)
    assert all("temp" in name or "transformer_in" in name for name in beside.adapter.parts)
    assert alone.losses != beside.losses


def test_features_are_of_the_deepest_level_that_reads_the_text(denoiser, latents, text):
    sites = FeatureSites.find(denoiser.module)
    assert {name[:13] for name in (*sites.temporal, *sites.cross)} == {"down_blocks.2"}
    maps = extract(denoiser, sites, latents, torch.tensor([600]), text)
    assert {kind: tuple(m.shape) for kind, m in maps.items()} == {"temporal": (1, 6, 4, 4), "cross": (1, 4, 6, 5)}


def test_a_zero_adapter_matches_only_its_own_prediction(denoiser, references):
    """The first loss is that of the model itself: nothing has been learnt, and its features are not the reference's."""
    losses = fit_adapter(denoiser, references, short("motion_matcher", steps=1)).losses
    assert losses[0] > 0


def test_each_recipe_is_the_papers():
    vmc, director, newmove, matcher = (
        RECIPES[n] for n in ("vmc", "motion_director", "customizing_motion", "motion_matcher")
    )
    assert (vmc.kind, vmc.layers, vmc.objective) == ("weights", "temporal_qkv", "frame_residual_cosine")
    assert newmove.timesteps == CoarseNoise(0.5) and newmove.regularised
    assert (matcher.timesteps, matcher.rank, matcher.beta) == (Uniform(500, 1000), 32, 0.3)
    assert director.looks and director.objective == "noise_mse + appearance_debiased"
    assert all(recipe.source for recipe in RECIPES.values())


def test_the_starters_are_the_same_methods():
    for name, published in RECIPES.items():
        numbers = {part: getattr(published, part) for part in ("descent", "timesteps", "memory")}
        assert replace(STARTER_RECIPES[name], **numbers) == published


@pytest.mark.parametrize(
    "change, says",
    [
        ({"rank": 0}, "rank"), ({"steps": 0}, "steps"), ({"learning_rate": -1.0}, "learning_rate"),
        ({"kind": "x"}, "kind"), ({"objective": "x"}, "objective"), ({"memory": "x"}, "memory"),
        ({"noise": "x"}, "noise"),
    ],
)  # fmt: skip
def test_a_number_out_of_range(change, says):
    with pytest.raises(OptionError, match=says):
        find_recipe("vmc").changed(**change)


def test_what_can_not_be_learnt(denoiser, latents, text, references):
    with pytest.raises(OptionError, match="regularisation"):
        fit_adapter(denoiser, ReferenceSet([Example(latents, text)]), short("customizing_motion"))
    with pytest.raises(OptionError, match="at least 2"):
        ReferenceSet([Example(latents[:, :, :1], text)])
    with pytest.raises(OptionError, match="at least one"):
        ReferenceSet([])
    with pytest.raises(OptionError, match="not finite"):
        Example(latents / 0, text)
    with pytest.raises(ModelError, match="matches none"):
        fit_adapter(denoiser, references, short("vmc", layers="no such layer"))
    with pytest.raises(OptionError, match="recipe is"):
        find_recipe("x")
