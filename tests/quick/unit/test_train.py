import copy

import pytest
import torch
from motion_core.recipes.learn_config import LearnConfig

from motion_core.diffusion.timesteps import CoarseNoise, Uniform
from motion_core.errors import MemoryShortage, ModelError, MotionError, OptionError
from motion_core.training.train import fit
from tests.conftest import seeded

CONFIG = LearnConfig(steps=3, sites="all", memory="fast", seed=7)


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


def assert_same(one, other, **tolerance):
    for a, b in zip(one.embedding.parameters, other.embedding.parameters, strict=True):
        torch.testing.assert_close(a, b, **tolerance)


def test_the_model_is_as_before(untouched, denoiser, latents, text):
    denoiser.module.down_blocks[0].train()
    denoiser.module.conv_in.weight.requires_grad_(False)
    mixed = state(denoiser.module)
    fit(denoiser, latents, text, CONFIG)
    assert state(denoiser.module) == mixed
    denoiser.module.down_blocks[0].eval()
    denoiser.module.conv_in.weight.requires_grad_(True)


def test_the_model_is_as_before_when_stopped_at_any_step(untouched, denoiser, latents, text):
    whole = fit(denoiser, latents, text, CONFIG)
    for stop_at in (1, 2, 3):

        def interrupt(step, loss, stop_at=stop_at):
            if step == stop_at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fit(denoiser, latents, text, CONFIG, interrupt)
        assert not any(m._forward_pre_hooks for m in denoiser.module.modules())
    assert_same(fit(denoiser, latents, text, CONFIG), whole, atol=0, rtol=0)


def test_true_from_the_callback_keeps_what_was_learnt(denoiser, latents, text):
    seen = []
    learnt = fit(denoiser, latents, text, CONFIG, lambda step, loss: seen.append((step, loss)) or step == 2)
    assert [step for step, _ in seen] == [1, 2] and [loss for _, loss in seen] == learnt.losses
    assert any(p.abs().max() > 0 for p in learnt.embedding.parameters)


@pytest.mark.parametrize("memory", ["balanced", "low"])
def test_gradients_are_the_same_in_every_memory_mode(untouched, denoiser, latents, text, memory):
    from dataclasses import replace

    fast = fit(denoiser, latents, text, CONFIG)
    other = fit(denoiser, latents, text, replace(CONFIG, memory=memory))
    assert other.losses == fast.losses
    assert_same(other, fast, atol=0, rtol=0)


def test_the_same_seed_gives_the_same_file_and_global_random_state_is_left_alone(tmp_path, denoiser, latents, text):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    fit(denoiser, latents, text, CONFIG).embedding.save(tmp_path / "a.safetensors")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    fit(denoiser, latents, text, CONFIG).embedding.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def loss_at_fixed_noise(denoiser, latents, text, embedding=None):
    from contextlib import nullcontext

    from motion_core.hooks.embedding_hooks import inject

    total = 0.0
    with torch.no_grad(), inject(denoiser.module, embedding) if embedding else nullcontext():
        for seed, t in enumerate((100, 400, 700)):
            eps = seeded(*latents.shape, seed=seed)
            z = denoiser.schedule.add_noise(latents, eps, t)
            total += (denoiser.predict(z, torch.tensor([t]), text) - eps).square().mean().item()
    return total


@pytest.mark.parametrize("layout", ["official", "paper"])
def test_it_learns(denoiser, latents, text, layout):
    learnt = fit(denoiser, latents, text, LearnConfig(steps=30, sites="all", memory="fast", layout=layout))
    assert loss_at_fixed_noise(denoiser, latents, text, learnt.embedding) < loss_at_fixed_noise(denoiser, latents, text)
    names = len(learnt.embedding.qk), len(learnt.embedding.v)
    assert names == ((15, 30) if layout == "official" else (15, 15))


@pytest.mark.parametrize(
    "objective",
    ["appearance_debiased", "frame_residual_cosine", "frame_residual_l2", "noise_mse+0.5*appearance_debiased"],
)
def test_every_objective_learns_something(denoiser, latents, text, objective):
    learnt = fit(denoiser, latents, text, LearnConfig(steps=2, objective=objective, memory="fast"))
    assert all(p.isfinite().all() for p in learnt.embedding.parameters)
    assert all(p.abs().max() > 0 for p in learnt.embedding.parameters)


def test_half_precision_models_learn(latents, text):
    from motion_core.diffusion.schedule import NoiseSchedule
    from motion_core.models.zeroscope.denoiser import UNetDenoiser
    from tests.conftest import build_unet

    for dtype in (torch.float16, torch.bfloat16):
        unet = build_unet().to(dtype)
        learnt = fit(UNetDenoiser(unet, NoiseSchedule.scaled_linear()), latents, text, CONFIG)
        assert {p.dtype for p in unet.parameters()} == {dtype}
        assert all(p.dtype == torch.float32 and p.abs().max() > 0 for p in learnt.embedding.parameters)


def test_the_mask_decides_what_is_learnt(denoiser, latents, text):
    left = torch.zeros(4, 8, 12)
    left[..., :6] = 1
    one = fit(denoiser, latents, text, CONFIG, mask=left)
    other = fit(denoiser, latents, text, CONFIG, mask=1 - left)
    everything = fit(denoiser, latents, text, CONFIG, mask=torch.ones(4, 8, 12))
    assert_same(everything, fit(denoiser, latents, text, CONFIG), atol=1e-6, rtol=1e-5)
    assert one.losses != other.losses


def test_an_error_outside_the_mask_counts_nothing(latents, text):
    from motion_core.training.train import _loss_weight

    mask = torch.zeros(4, 8, 12)
    mask[:, 2:4] = 0.5
    weight = _loss_weight(mask, latents)
    assert weight[..., 4:, :].abs().max() == 0
    torch.testing.assert_close(weight.square().mean(), torch.tensor(1.0))


def test_a_timestep_sampler_is_used(denoiser, latents, text):
    coarse = fit(denoiser, latents, text, LearnConfig(steps=2, memory="fast", timesteps=CoarseNoise(0.9)))
    assert coarse.losses != fit(denoiser, latents, text, LearnConfig(steps=2, memory="fast")).losses


def test_timesteps_that_the_model_does_not_have_are_refused(denoiser, latents, text):
    with pytest.raises(OptionError, match="the model has 1000"):
        fit(denoiser, latents, text, LearnConfig(steps=1, timesteps=Uniform(500, 2000)))


def test_every_version_of_a_clip_is_seen_under_its_own_text(denoiser, latents, text):
    seen = set()

    class Watching(type(denoiser)):
        def predict(self, z, t, text):
            seen.add((round(float(z.abs().mean())), float(text.mean())))
            return super().predict(z, t, text)

    versions = torch.cat([latents, latents + 1000])  # so far off that noise can't hide which one it is
    texts = torch.cat([text, torch.zeros_like(text)])
    config = LearnConfig(steps=8, memory="fast", timesteps=Uniform(0, 1))
    one = fit(Watching(denoiser.module, denoiser.schedule), versions, texts, config)
    assert {(z > 500, t == 0) for z, t in seen} == {(False, False), (True, True)}
    assert_same(one, fit(denoiser, versions, texts, config))
    assert_same(fit(denoiser, versions, text, config), fit(denoiser, versions, torch.cat([text, text]), config))


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"objective": "nothing"},
        {"layout": "round"},
        {"memory": "huge"},
        {"seed": -1},
        {"colourings": 0},
        {"colourings": 13},
    ],
)
def test_options_out_of_range(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        LearnConfig(**wrong)


def test_bad_latents_and_masks(denoiser, latents, text):
    with pytest.raises(OptionError, match="at least 2"):
        fit(denoiser, latents[:, :, :1], text, CONFIG)
    with pytest.raises(OptionError, match="shape"):
        fit(denoiser, latents[0], text, CONFIG)
    with pytest.raises(OptionError, match="not finite"):
        fit(denoiser, latents * torch.nan, text, CONFIG)
    with pytest.raises(OptionError, match="mask has shape"):
        fit(denoiser, latents, text, CONFIG, mask=torch.ones(4, 8, 8))
    with pytest.raises(OptionError, match="mask is empty"):
        fit(denoiser, latents, text, CONFIG, mask=torch.zeros(4, 8, 12))
    with pytest.raises(OptionError, match="2 prompts for 1 versions"):
        fit(denoiser, latents, torch.cat([text, text]), CONFIG)
    with pytest.raises(ModelError, match="matches none"):
        fit(denoiser, latents, text, LearnConfig(sites="nowhere"))


def test_a_loss_that_blows_up_is_a_sentence(untouched, denoiser, latents, text):
    with pytest.raises(MotionError, match="lower learning_rate"):
        fit(denoiser, latents, text * torch.inf, CONFIG)


def test_out_of_memory_names_the_setting(untouched, denoiser, latents, text, monkeypatch):
    def exhausted(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("motion_core.training.step_losses.evaluate_objective", exhausted)
    with pytest.raises(MemoryShortage, match="2.00 GiB.*memory 'low'"):
        fit(denoiser, latents, text, CONFIG)
