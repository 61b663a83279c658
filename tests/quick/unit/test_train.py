import copy
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from motion_core.diffusion.noise_samples import NoiseSampler
from motion_core.diffusion.schedule import NoiseSchedule
from motion_core.diffusion.timesteps import CoarseNoise, Uniform
from motion_core.errors import MemoryShortage, ModelError, MotionError, OptionError
from motion_core.hooks.embedding_hooks import inject
from motion_core.models.zeroscope.denoiser import UNetDenoiser
from motion_core.recipes.motion_inversion import OFFICIAL
from motion_core.training.examples import Example, ReferenceSet
from motion_core.training.train import train
from tests.conftest import build_unet, seeded
from tests.training_cases import EMBEDDING_RECIPE, assert_equal_motions, one_clip, short_recipe

SEED = 7


def learn(denoiser, latents, text, recipe=EMBEDDING_RECIPE, callback=None, mask=None):
    return train(denoiser, one_clip(latents, text, mask), recipe, seed=SEED, callback=callback)


def state(module):
    flags = [(n, p.requires_grad, p.dtype) for n, p in module.named_parameters()]
    hooks = [len(m._forward_pre_hooks) + len(m._forward_hooks) for m in module.modules()]
    forwards = [name for name, m in module.named_modules() if "forward" in vars(m)]
    return flags, hooks, forwards, [m.training for m in module.modules()]


@pytest.fixture
def untouched(unet):
    weights, before = copy.deepcopy(unet.state_dict()), state(unet)
    yield
    assert state(unet) == before
    assert all(torch.equal(value, weights[name]) for name, value in unet.state_dict().items())


def test_training_leaves_the_model_as_before(untouched, denoiser, latents, text):
    denoiser.module.down_blocks[0].train()
    denoiser.module.conv_in.weight.requires_grad_(False)
    mixed = state(denoiser.module)
    learn(denoiser, latents, text)
    assert state(denoiser.module) == mixed
    denoiser.module.down_blocks[0].eval()
    denoiser.module.conv_in.weight.requires_grad_(True)


def test_training_leaves_the_model_as_before_when_stopped_at_any_step(untouched, denoiser, latents, text):
    whole = learn(denoiser, latents, text)
    for stop_at in (1, 2, 3):

        def interrupt(step, loss, stop_at=stop_at):
            if step == stop_at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            learn(denoiser, latents, text, callback=interrupt)
        assert not any(m._forward_pre_hooks for m in denoiser.module.modules())
    assert_equal_motions(learn(denoiser, latents, text).motion, whole.motion)


def test_true_from_the_callback_ends_training_and_keeps_what_was_learnt(denoiser, latents, text):
    seen = []
    learnt = learn(denoiser, latents, text, callback=lambda step, loss: seen.append((step, loss)) or step == 2)
    assert [step for step, _ in seen] == [1, 2] and [loss for _, loss in seen] == learnt.losses
    assert any(p.abs().max() > 0 for p in learnt.motion.parameters)


@pytest.mark.parametrize("memory", ["balanced", "low"])
def test_gradients_are_the_same_in_every_memory_mode(untouched, denoiser, latents, text, memory):
    fast = learn(denoiser, latents, text)
    other = learn(denoiser, latents, text, EMBEDDING_RECIPE.changed(memory=memory))
    assert other.losses == fast.losses
    assert_equal_motions(other.motion, fast.motion)


def test_the_same_seed_gives_the_same_file_and_global_random_state_is_left_alone(tmp_path, denoiser, latents, text):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    learn(denoiser, latents, text).motion.save(tmp_path / "a.safetensors")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    learn(denoiser, latents, text).motion.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def loss_at_fixed_noise(denoiser, latents, text, embedding=None):
    total = 0.0
    with torch.no_grad(), inject(denoiser.module, embedding) if embedding else nullcontext():
        for seed, t in enumerate((100, 400, 700)):
            eps = seeded(*latents.shape, seed=seed)
            z = denoiser.schedule.add_noise(latents, eps, t)
            total += (denoiser.predict(z, torch.tensor([t]), text) - eps).square().mean().item()
    return total


@pytest.mark.parametrize("layout", ["official", "paper"])
def test_training_lowers_the_loss(denoiser, latents, text, layout):
    learnt = learn(denoiser, latents, text, OFFICIAL.changed(steps=30, sites="all", memory="fast", layout=layout))
    assert loss_at_fixed_noise(denoiser, latents, text, learnt.motion) < loss_at_fixed_noise(denoiser, latents, text)
    names = len(learnt.motion.qk), len(learnt.motion.v)
    assert names == ((15, 30) if layout == "official" else (15, 15))


@pytest.mark.parametrize(
    "objective",
    ["appearance_debiased", "frame_residual_cosine", "frame_residual_l2", "noise_mse+0.5*appearance_debiased"],
)
def test_every_objective_trains_all_parameters(denoiser, latents, text, objective):
    learnt = learn(denoiser, latents, text, OFFICIAL.changed(steps=2, objective=objective, memory="fast"))
    assert all(p.isfinite().all() for p in learnt.motion.parameters)
    assert all(p.abs().max() > 0 for p in learnt.motion.parameters)


def test_models_in_half_precision_are_trained_on(latents, text):
    for dtype in (torch.float16, torch.bfloat16):
        unet = build_unet().to(dtype)
        learnt = learn(UNetDenoiser(unet, NoiseSchedule.scaled_linear()), latents, text)
        assert {p.dtype for p in unet.parameters()} == {dtype}
        assert all(p.dtype == torch.float32 and p.abs().max() > 0 for p in learnt.motion.parameters)


LEFT = torch.zeros(4, 8, 12)
LEFT[..., :6] = 1


def test_a_mask_of_ones_changes_nothing(denoiser, latents, text):
    whole = learn(denoiser, latents, text, mask=torch.ones(4, 8, 12))
    assert_equal_motions(whole.motion, learn(denoiser, latents, text).motion, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["motion_inversion", "vmc"])
def test_the_loss_is_the_mean_error_within_the_mask(denoiser, latents, text, name):
    recipe = short_recipe(name, objective="noise_mse", steps=1)
    one, other = (learn(denoiser, latents, text, recipe, mask=mask).losses[0] for mask in (LEFT, 1 - LEFT))
    sample = NoiseSampler(Uniform(0, 1000), [latents.shape], torch.Generator().manual_seed(SEED)).draw()
    with torch.no_grad():
        z = denoiser.schedule.add_noise(latents, sample.eps, sample.t)
        error = (denoiser.predict(z, sample.t, text) - sample.eps).square()
    assert one == pytest.approx(error[..., :6].mean().item(), rel=1e-4)
    assert other == pytest.approx(error[..., 6:].mean().item(), rel=1e-4)


@pytest.mark.parametrize("objective", ["noise_mse", "appearance_debiased", "frame_residual_cosine"])
@pytest.mark.parametrize("name", ["motion_inversion", "motion_director"])
def test_an_error_outside_the_mask_changes_nothing(denoiser, latents, text, name, objective):
    class WrongOnTheRight(UNetDenoiser):
        def predict(self, z, t, conditions):
            return super().predict(z, t, conditions) + 5 * (1 - LEFT)

    recipe = short_recipe(name, objective=objective)
    if name == "motion_director":
        recipe = replace(recipe, appearance_layers="", terms=recipe.terms[1:])
    right, wrong = (
        learn(model, latents, text, recipe, mask=LEFT)
        for model in (denoiser, WrongOnTheRight(denoiser.module, denoiser.schedule))
    )
    assert wrong.losses == right.losses
    assert_equal_motions(wrong.motion, right.motion)


class Recorder(UNetDenoiser):
    """Records what the model is asked: mean of z, timestep, mean of the text."""

    def __init__(self, denoiser):
        super().__init__(denoiser.module, denoiser.schedule)
        self.seen = []

    def predict(self, z, t, conditions):
        self.seen.append((float(z.abs().mean()), int(t[0]), float(conditions[0].mean())))
        return super().predict(z, t, conditions)


def test_timesteps_come_from_the_recipes_sampler(denoiser, latents, text):
    recorder = Recorder(denoiser)
    learn(recorder, latents, text, OFFICIAL.changed(steps=4, memory="fast", timesteps=Uniform(700, 710)))
    measured, steps = recorder.seen[:-4], recorder.seen[-4:]
    assert all(700 <= t < 710 for _, t, _ in steps) and all(t == 0 for _, t, _ in measured)
    coarse = learn(denoiser, latents, text, OFFICIAL.changed(steps=2, memory="fast", timesteps=CoarseNoise(0.9)))
    assert coarse.losses != learn(denoiser, latents, text, OFFICIAL.changed(steps=2, memory="fast")).losses


def test_timesteps_that_the_model_does_not_have_are_refused(denoiser, latents, text):
    with pytest.raises(OptionError, match="the model has 1000"):
        learn(denoiser, latents, text, OFFICIAL.changed(steps=1, timesteps=Uniform(500, 2000)))


def test_every_clip_is_shown_under_its_own_text(denoiser, latents, text):
    silent = torch.zeros_like(text[0])
    far = latents + 1000  # so far off that noise does not hide which clip it is
    references = ReferenceSet([Example(latents, text[0]), Example(far, silent)])
    recorder = Recorder(denoiser)
    recipe = OFFICIAL.changed(steps=8, memory="fast", timesteps=Uniform(0, 1))
    one = train(recorder, references, recipe, seed=SEED)
    assert {(z > 500, mean == 0) for z, _, mean in recorder.seen} == {(False, False), (True, True)}
    assert_equal_motions(one.motion, train(denoiser, references, recipe, seed=SEED).motion)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"objective": "nothing"},
        {"layout": "round"},
        {"memory": "huge"},
        {"colourings": 0},
        {"colourings": 13},
    ],
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        OFFICIAL.changed(**wrong)


def test_bad_latents_and_masks_are_refused(denoiser, latents, text):
    with pytest.raises(OptionError, match="at least 2"):
        learn(denoiser, latents[:, :, :1], text)
    with pytest.raises(OptionError, match="shape"):
        learn(denoiser, latents[0], text)
    with pytest.raises(OptionError, match="not finite"):
        learn(denoiser, latents * torch.nan, text)
    with pytest.raises(OptionError, match="mask has shape"):
        learn(denoiser, latents, text, mask=torch.ones(4, 8, 8))
    with pytest.raises(OptionError, match="mask is empty"):
        learn(denoiser, latents, text, mask=torch.zeros(4, 8, 12))
    with pytest.raises(OptionError, match="no reference clip"):
        ReferenceSet([])
    with pytest.raises(OptionError, match="seed is -1"):
        train(denoiser, one_clip(latents, text), EMBEDDING_RECIPE, seed=-1)
    with pytest.raises(ModelError, match="matches none"):
        learn(denoiser, latents, text, OFFICIAL.changed(sites="nowhere"))


def test_a_loss_that_is_not_finite_is_refused_in_a_sentence(untouched, denoiser, latents, text):
    with pytest.raises(MotionError, match="lower learning_rate"):
        learn(denoiser, latents, text * torch.inf)


def test_out_of_memory_names_the_setting_to_change(untouched, denoiser, latents, text, monkeypatch):
    def exhausted(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("motion_core.training.step_losses.evaluate_objective", exhausted)
    with pytest.raises(MemoryShortage, match="2.00 GiB.*memory 'low'"):
        learn(denoiser, latents, text)
