"""The published recipes on tiny models of both families: what they train, what they leave alone, what they refuse."""

import copy
from dataclasses import replace

import pytest
import torch

from motion_core.diffusion.objectives import noise_mse
from motion_core.diffusion.timesteps import CoarseNoise, Uniform
from motion_core.errors import ModelError, OptionError
from motion_core.hooks.adapter_hooks import inject_adapter
from motion_core.hooks.applied import AppliedMotion
from motion_core.models.families import recognize
from motion_core.motions.motion import read_motion
from motion_core.recipes.catalogue import ADAPTER_RECIPES, RECIPES, find_recipe
from motion_core.recipes.loss_term import APPEARANCE, FRAME, LossTerm
from motion_core.recipes.starter import STARTER_RECIPES
from motion_core.sampling.sample import sample
from motion_core.training.examples import Example, ReferenceSet
from motion_core.training.feature_matching import FeatureSites, extract
from motion_core.training.train import train
from tests.conftest import seeded
from tests.training_cases import RECIPE_NAMES, assert_equal_motions, short_recipe, with_still

ADAPTER_NAMES = RECIPE_NAMES[1:]
EACH = pytest.mark.parametrize("name", RECIPE_NAMES)
EACH_ADAPTER = pytest.mark.parametrize("name", ADAPTER_NAMES)


@pytest.fixture(scope="module")
def references(latents, text):
    return with_still(latents, text)


def state(module):
    hooks = [len(m._forward_pre_hooks) + len(m._forward_hooks) for m in module.modules()]
    flags = [(p.requires_grad, p.dtype) for p in module.parameters()]
    return hooks, flags, ["forward" in vars(m) for m in module.modules()]


@EACH
def test_training_leaves_the_model_as_before_and_the_seed_decides(name, denoiser, references):
    weights, before = copy.deepcopy(denoiser.module.state_dict()), state(denoiser.module)
    random_state = torch.random.get_rng_state()
    one, same, other = (train(denoiser, references, short_recipe(name), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert state(denoiser.module) == before
    assert all(torch.equal(value, weights[key]) for key, value in denoiser.module.state_dict().items())
    assert one.losses == same.losses != other.losses
    assert_equal_motions(one.motion, same.motion)


@EACH
def test_stopped_in_the_middle_it_leaves_the_model_as_before(name, denoiser, references):
    before = state(denoiser.module)

    def interrupt(step, loss):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(denoiser, references, short_recipe(name), callback=interrupt)
    assert state(denoiser.module) == before


@EACH
def test_checkpointing_changes_nothing(name, denoiser, references):
    whole, balanced, low = (
        train(denoiser, references, short_recipe(name, memory=memory, steps=3))
        for memory in ("fast", "balanced", "low")
    )
    for other in (balanced, low):
        assert whole.losses == pytest.approx(other.losses, rel=1e-4)
        for a, b in zip(whole.motion.parameters, other.motion.parameters, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@EACH_ADAPTER
def test_an_unused_option_changes_nothing_and_a_used_one_something(name, denoiser, references):
    recipe = short_recipe(name, steps=1)
    for option, other in {"rank": 3, "learning_rate": 2e-2, "steps": 2}.items():
        changed = recipe.changed(**{option: other})
        one, two = (train(denoiser, references, each).motion.parameters for each in (recipe, changed))
        same = all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(one, two, strict=True))
        assert same == (option in recipe.unused_options), option


@EACH
def test_options_of_the_other_kind_of_motion_are_refused(name):
    recipe = short_recipe(name)
    others = (
        {"rank": 4, "layers": "temporal_qkv"} if name == "motion_inversion" else {"sites": "all", "layout": "paper"}
    )
    for option, value in others.items():
        assert option in recipe.unused_options
        with pytest.raises(OptionError, match=f"{option} does nothing for the recipe {name}"):
            recipe.changed(**{option: value})


@EACH_ADAPTER
def test_the_loss_falls_at_one_timestep(name, denoiser, references):
    """Always the same timestep and all losses in each step; noise differs, so the first and last few are compared."""
    recipe = short_recipe(name, steps=24, learning_rate=5e-3, timesteps=Uniform(600, 601))
    recipe = replace(recipe, terms=tuple(replace(term, probability=1.0) for term in recipe.terms))
    losses = train(denoiser, references, recipe).losses
    assert sum(losses[-6:]) < 0.97 * sum(losses[:6])


@EACH
def test_a_motion_changes_samples_and_does_so_alike_after_saving(name, denoiser, references, latents, text, tmp_path):
    motion = train(denoiser, references, short_recipe(name)).motion
    motion.save(tmp_path / "a.safetensors", torch.float32)
    loaded = read_motion(tmp_path / "a.safetensors")
    off = {"strength_qk": 0.0, "strength_v": 0.0} if name == "motion_inversion" else {"strength": 0.0}

    def make(*motions):
        negative = torch.zeros_like(text[0])
        return sample(denoiser, latents, text, negative, motions=motions, steps=2, scale=3.0)

    plain, applied, again = make(), make(AppliedMotion.of(motion)), make(AppliedMotion.of(loaded))
    assert torch.equal(applied, again) and not torch.equal(applied, plain)
    assert torch.equal(make(AppliedMotion.of(motion, **off)), plain)
    assert torch.equal(make(AppliedMotion.of(motion, start=1.0, end=1.0)), plain)


@EACH
def test_animatediff_is_trained_on_by_the_same_recipe(name, motion_denoiser):
    latents, text = seeded(1, 4, 4, 8, 8), seeded(5, 16, seed=1)
    references = ReferenceSet([Example(latents, text)], [Example(latents.flip(2), text)])
    trained = train(motion_denoiser, references, short_recipe(name))
    assert trained.motion.family == "animatediff" and len(trained.losses) == 2


@pytest.mark.parametrize("name", ["zeroscope", "animatediff"])
def test_single_frames_may_regularise(name, denoiser, motion_denoiser):
    """16 x 16: on a single map of 1 x 1, which 8 x 8 shrinks to, oneDNN's convolution is not repeatable in backward."""
    model = denoiser if name == "zeroscope" else motion_denoiser
    latents, text = seeded(1, 4, 4, 16, 16), seeded(5, 16, seed=1)
    frame, other = (Example(seeded(1, 4, 1, 16, 16, seed=seed), text) for seed in (5, 6))
    recipe = short_recipe("customizing_motion", steps=3)
    one, same, another = (
        train(model, ReferenceSet([Example(latents, text)], [kept]), recipe).motion for kept in (frame, frame, other)
    )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters, same.parameters, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters, another.parameters, strict=True))


@pytest.fixture(scope="module")
def with_subject(references):
    subjects = [Example(seeded(1, 4, 1, 8, 12, seed=seed), seeded(5, 16, seed=9)) for seed in (7, 8)]
    return ReferenceSet(references.clips, references.regularisation, subjects)


def test_pictures_of_a_subject_change_nothing_along_time(denoiser, references, with_subject):
    recipe = short_recipe("customizing_motion", steps=1)
    plain, both = (train(denoiser, given, recipe).motion.parts for given in (references, with_subject))
    temporal = {layer.name for layer in recognize(denoiser.module).list_layers() if layer.temporal}
    assert set(plain) == set(both) and set(plain) - temporal
    for name, part in plain.items():
        same = all(torch.equal(a, b) for a, b in zip(part.tensors, both[name].tensors, strict=True))
        assert same == (name in temporal), name


def test_a_subject_is_learnt(denoiser, references):
    """On noise and levels of its own, the loss on its picture is lower than after training without it."""
    recipe = short_recipe("customizing_motion", steps=40)
    bright = Example(torch.full((1, 4, 1, 8, 12), 3.0), seeded(5, 16, seed=9))
    levels = {torch.tensor([t]): seeded(1, 4, 1, 8, 12, seed=t) for t in (200, 400, 600, 800)}

    @torch.no_grad()
    def loss_with(subjects):
        given = ReferenceSet(references.clips, references.regularisation, subjects)
        with inject_adapter(denoiser.module, train(denoiser, given, recipe).motion):
            noised = {t: denoiser.schedule.add_noise(bright.latents, eps, t) for t, eps in levels.items()}
            return sum(
                noise_mse(denoiser.predict(noised[t], t, [bright.condition]), eps) for t, eps in levels.items()
            ).item()

    assert loss_with([bright]) < 0.99 * loss_with([])


def test_a_subject_needs_layers_within_frames(denoiser, with_subject, latents, text):
    whole, low = (
        train(denoiser, with_subject, short_recipe("customizing_motion", memory=memory)) for memory in ("fast", "low")
    )
    assert whole.losses == pytest.approx(low.losses, rel=1e-4)
    for name in ("motion_inversion", "vmc", "motion_director"):
        with pytest.raises(OptionError, match="changes nothing within frames"):
            train(denoiser, with_subject, short_recipe(name))
    with pytest.raises(OptionError, match="a subject has 4 frames"):
        ReferenceSet([Example(latents, text[0])], subjects=[Example(latents, text[0])])


def test_appearance_layers_are_trained_beside_the_motion_and_discarded(denoiser, references):
    recipe = short_recipe("motion_director")
    without = tuple(term for term in recipe.terms if term.trains != APPEARANCE)
    beside = train(denoiser, references, recipe)
    alone = train(denoiser, references, replace(recipe, appearance_layers="", terms=without))
    assert set(alone.motion.parts) == set(beside.motion.parts)
    assert all("temp" in name or "transformer_in" in name for name in beside.motion.parts)
    assert alone.losses != beside.losses


def test_features_are_of_the_deepest_level_that_reads_the_text(denoiser, latents, text):
    sites = FeatureSites.find(recognize(denoiser.module))
    assert {name[:13] for name in (*sites.temporal, *sites.cross)} == {"down_blocks.2"}
    maps = extract(denoiser, sites, latents, torch.tensor([600]), conditions=text)
    assert {kind: tuple(m.shape) for kind, m in maps.items()} == {"temporal": (1, 6, 4, 4), "cross": (1, 4, 6, 5)}


def test_a_zero_adapter_matches_only_its_own_prediction(denoiser, references):
    """The first loss is that of the model itself: nothing is trained yet, and its features are not the reference's."""
    losses = train(denoiser, references, short_recipe("motion_matcher", steps=1)).losses
    assert losses[0] > 0


def test_each_recipe_has_the_papers_numbers():
    vmc, director, newmove, matcher = (find_recipe(name, "published") for name in ADAPTER_NAMES)
    assert (vmc.kind, vmc.layers, vmc.objective) == ("weights", "temporal_qkv", "frame_residual_cosine")
    assert newmove.timesteps == CoarseNoise(0.5) and newmove.needs_regularisation
    assert (matcher.timesteps, matcher.rank, matcher.beta) == (Uniform(500, 1000), 32, 0.3)
    assert director.appearance_layers and director.objective == "noise_mse + appearance_debiased"
    assert LossTerm(data=FRAME, trains=APPEARANCE, applied=(APPEARANCE,), probability=0.8) in director.terms
    assert all(recipe.source for presets in RECIPES.values() for recipe in presets.values())


def test_the_starters_recipes_are_the_same_methods():
    assert {recipe.name for recipe in STARTER_RECIPES} == {recipe.name for recipe in ADAPTER_RECIPES}
    for starter in STARTER_RECIPES:
        published = find_recipe(starter.name, "published")
        numbers = ("optimizer", "timesteps", "memory", "fast_kernels", "preset", "layers", "kind", "apply", "terms")
        assert replace(starter, **{part: getattr(published, part) for part in numbers}) == published
        assert starter.terms == tuple(
            map(less_often, published.terms) if starter.needs_regularisation else published.terms
        )


def less_often(term):
    """A term as the starter's numbers have it: a required regularisation clip in one of ten steps."""
    return replace(term, probability=0.1) if term.required else term


@pytest.mark.parametrize(
    "change, says",
    [
        ({"rank": 0}, "rank"), ({"steps": 0}, "steps"), ({"learning_rate": -1.0}, "learning_rate"),
        ({"kind": "x"}, "kind"), ({"objective": "x"}, "objective"), ({"memory": "x"}, "memory"),
        ({"noise": "x"}, "noise"),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(change, says):
    with pytest.raises(OptionError, match=says):
        find_recipe("vmc", "published").changed(**change)


def test_references_that_can_not_be_trained_on_are_refused(denoiser, latents, text, references):
    with pytest.raises(OptionError, match="regularisation"):
        train(denoiser, ReferenceSet([Example(latents, text[0])]), short_recipe("customizing_motion"))
    with pytest.raises(OptionError, match="at least 2"):
        ReferenceSet([Example(latents[:, :, :1], text[0])])
    with pytest.raises(OptionError, match="at least one"):
        ReferenceSet([])
    with pytest.raises(OptionError, match="not finite"):
        Example(latents / 0, text[0])
    with pytest.raises(ModelError, match="matches none"):
        train(denoiser, references, short_recipe("vmc", layers="no such layer"))


def test_unknown_names_of_recipes_and_presets_are_refused():
    with pytest.raises(OptionError, match="recipe is 'x'; use one of motion_inversion, vmc"):
        find_recipe("x", "published")
    with pytest.raises(OptionError, match="preset is 'official'; use one of published, starter"):
        find_recipe("vmc", "official")


def test_attention_maps_take_no_mask(denoiser, latents, text):
    masked = ReferenceSet([Example(latents, text[0])], mask=torch.ones(4, 8, 12))
    with pytest.raises(OptionError, match="takes no mask"):
        train(denoiser, masked, short_recipe("motion_matcher"))
