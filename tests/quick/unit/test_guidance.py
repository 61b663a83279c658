"""Sampling with guidance without training, on tiny models of both families with random weights."""

import pytest
import torch

from motion_core.errors import MotionError, OptionError
from motion_core.guidance.dmt import Dmt
from motion_core.guidance.motion_clone import MotionClone
from motion_core.hooks.applied import AppliedMotion
from motion_core.motions.apply_settings import EmbeddingSettings
from motion_core.sampling.inversion import trace_inversion
from motion_core.sampling.step import Step
from tests.conftest import count_hooks, seeded
from tests.quick.unit.guidance_methods import STEPS, STRONG, build, run


@pytest.mark.parametrize("method", ["dmt", "motion_clone"])
def test_guidance_changes_the_clip_and_the_seed_alone_decides(either, latents, text, negative, noise, method):
    reference = seeded(*latents.shape, seed=9)
    before = torch.random.get_rng_state()
    guidance = build(method, either, reference, text, **STRONG[method])
    one = run(either, noise, text, negative, guidance)
    assert torch.equal(run(either, noise, text, negative, guidance), one)  # it keeps nothing from a run
    assert not one.requires_grad and not torch.allclose(one, run(either, noise, text, negative), atol=1e-3)
    other = build(method, either, reference, text, seed=1, **STRONG[method])
    assert not torch.equal(run(either, noise, text, negative, other), one)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("off", [
    ("motion_clone", {"weight": 0.0}), ("motion_clone", {"start": 0.0, "end": 0.0}),
    ("dmt", {"optimisation_steps": 0, "restart_end": 0.0}), ("dmt", {"start": 1.0, "end": 1.0, "restart_end": 0.0}),
])  # fmt: skip
def test_idle_guidance_changes_no_bit(denoiser, latents, text, negative, noise, off):
    method, settings = off
    guidance = build(method, denoiser, seeded(*latents.shape, seed=9), text, **settings)
    assert torch.equal(run(denoiser, noise, text, negative, guidance), run(denoiser, noise, text, negative))


def test_only_the_named_part_of_sampling_is_guided(denoiser, latents, text, negative, noise, monkeypatch):
    seen = []
    monkeypatch.setattr(MotionClone, "differentiate", lambda _self, z, t, _text: seen.append(t) or 0 * z)
    monkeypatch.setattr(Dmt, "optimise", lambda _self, z, t, _text, rate: seen.append((t, rate)) or z)
    run(denoiser, noise, text, negative, build("motion_clone", denoiser, latents, text, start=0.2, end=0.6))
    assert seen == denoiser.schedule.levels(STEPS)[1:3]
    seen.clear()
    guidance = build("dmt", denoiser, latents, text, end=0.6, learning_rate=0.03, last_learning_rate=0.01)
    run(denoiser, noise, text, negative, guidance)
    assert [t for t, _ in seen] == denoiser.schedule.levels(STEPS)[:3]
    assert [rate for _, rate in seen] == pytest.approx([0.03, 0.02, 0.01])


def test_a_restart_takes_a_step_again_from_fresh_noise(denoiser, latents, text):
    guidance = build("dmt", denoiser, latents, text, end=0.0, restart_end=0.5)
    seen = []

    def advance(z):
        seen.append(z)
        return z / 2

    steps = [Step(number, 4, t, t_prev, text) for number, t, t_prev in ((0, 751, 501), (1, 501, 251), (2, 251, 1))]
    moved = [guidance.guide(latents, step, advance) for step in steps]
    assert len(seen) == 5 and torch.equal(moved[2], latents / 2)
    eps = (seen[1] - denoiser.schedule.add_more_noise(latents / 2, 0 * latents, 501, 751)) / (
        1 - denoiser.schedule.alpha_bars[751] / denoiser.schedule.alpha_bars[501]
    ).sqrt()
    assert float(eps.std()) == pytest.approx(1, abs=0.05) and float(eps.mean()) == pytest.approx(0, abs=0.05)
    assert not torch.allclose(seen[1], seen[3])  # each step has noise of its own
    last = Step(0, 1, 981, -1, text)
    assert torch.equal(guidance.guide(latents, last, advance), latents / 2)  # there is no going back from the end


@pytest.mark.parametrize("method", ["dmt", "motion_clone"])
def test_the_model_is_as_before_after_guidance_and_after_errors(either, latents, text, negative, noise, method):
    module = either.module

    def record_state():
        state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        flags = [p.requires_grad for p in module.parameters()] + [m.training for m in module.modules()]
        wrapped = [name for name, part in module.named_modules() if "forward" in vars(part)]
        return state, flags, count_hooks(module), wrapped, [p.grad for p in module.parameters()]

    def interrupt(number, _count):
        if number == 2:
            raise KeyboardInterrupt

    state, *rest = record_state()
    guidance = build(method, either, latents, text, memory="low")
    run(either, noise, text, negative, guidance)
    with pytest.raises(KeyboardInterrupt):
        run(either, noise, text, negative, guidance, progress=interrupt)
    with pytest.raises(MotionError, match="not finite; load the model in float32"):
        run(either, noise * torch.nan, text, negative, guidance)
    with pytest.raises(OptionError, match="3 frames.* reference (has )?4|reference 4 frames"):
        run(either, noise[:, :, :3], text, negative, guidance)
    after, *others = record_state()
    assert others == rest and all(torch.equal(after[name], state[name]) for name in state)


@pytest.mark.parametrize("method", ["dmt", "motion_clone"])
def test_guidance_is_the_same_under_inference_mode(denoiser, latents, text, negative, noise, method):
    plain = run(denoiser, noise, text, negative, build(method, denoiser, latents, text))
    with torch.inference_mode():
        inferred = run(denoiser, noise.clone(), text, negative, build(method, denoiser, latents.clone(), text))
    torch.testing.assert_close(inferred.clone(), plain)


@pytest.mark.parametrize("branches", ["both", "conditional"])
def test_guidance_and_a_motion_are_applied_together(denoiser, latents, text, negative, noise, learnt, branches):
    motions = [AppliedMotion(learnt, EmbeddingSettings(branches=branches, strength_v=5.0))]
    guidance = build("motion_clone", denoiser, seeded(*latents.shape, seed=9), text, weight=1e5)
    both = run(denoiser, noise, text, negative, guidance, motions=motions)
    for one in ({"guidance": guidance}, {"motions": motions}):
        other = run(denoiser, noise, text, negative, **one)
        assert not torch.allclose(both, other, atol=1e-5)


def test_acts_at_names_the_steps_that_do_more_than_advance(denoiser, latents, text, noise):
    settings = [
        ("motion_clone", {"weight": 1e5, "start": 0.5, "end": 1.0}), ("motion_clone", {"weight": 0.0}),
        ("dmt", {"start": 0.5, "end": 0.75, "restart_end": 0.25}), ("dmt", {"optimisation_steps": 0}),
        ("dmt", {"optimisation_steps": 0, "restart_end": 0.0}),
    ]  # fmt: skip
    timesteps = [*denoiser.schedule.levels(STEPS), -1]
    found = []
    for method, given in settings:
        guidance = build(method, denoiser, seeded(*latents.shape, seed=9), text, **given)
        acting = []
        for number in range(STEPS):
            step = Step(number, STEPS, *timesteps[number : number + 2], text)
            acting.append(guidance.acts_at(step))
            assert acting[-1] != torch.equal(guidance.guide(noise, step, lambda z: z), noise)
        found.append(acting)
        assert guidance.config.idle == (not any(acting))
    off, on = [False] * STEPS, [True] * STEPS
    assert found == [[False, False, True, True], off, [True, False, True, False], [*on[:-1], False], off]


def test_the_inversion_goes_through_any_timesteps(denoiser, latents, text):
    trace = dict(trace_inversion(denoiser, latents, text[0], [900, 333, 50]))
    assert list(trace) == [50, 333, 900]
    for t, z in trace.items():
        assert z.shape == latents.shape and z.std() > 0, t
    eps = denoiser.predict(latents, torch.tensor([50]), text)
    torch.testing.assert_close(trace[50], denoiser.schedule.step(latents, eps, -1, 50).detach())
