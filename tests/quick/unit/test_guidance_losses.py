"""The formulas of guidance without training: their values, that a step lowers them, and the noise of a restart."""

import json
from pathlib import Path

import pytest
import torch

from motion_core.diffusion.schedule import NoiseSchedule
from motion_core.guidance.dmt import pairwise_cosine, pairwise_l2
from motion_core.guidance.motion_clone import find_primary, primary_match
from motion_core.hooks.attention_maps import capture
from motion_core.sampling.inversion import invert
from motion_core.sampling.step import Step
from tests.conftest import seeded
from tests.quick.unit.guidance_methods import STEPS, T, build

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "golden.json").read_text(encoding="utf-8"))


def f64(values):
    return torch.tensor(values, dtype=torch.float64)


def dmt_loss(guidance, z, t, text):
    with torch.no_grad():
        ours, theirs = guidance._means(z, t, text), guidance._means(guidance.reference[t], t, [guidance.condition])
    return float(sum(pairwise_l2(ours[name], theirs[name]) for name in ours))


def clone_loss(guidance, z, t, text):
    module = guidance.denoiser.module
    with torch.no_grad(), capture(module, list(guidance.primaries), len(z), stop=True, by_head=True) as maps:
        guidance.denoiser.predict(z, torch.full((len(z),), t), text.expand(len(z), -1, -1))
    return float(sum(primary_match(maps[name], primary) for name, primary in guidance.primaries.items()))


def test_the_losses_of_dmt_are_the_papers_and_the_codes():
    case = GOLDEN["dmt_smm"]
    ours, theirs = (f64(case[name]).mean((2, 3))[None] for name in ("gen_feat_TDHW", "src_feat_TDHW"))
    torch.testing.assert_close(theirs[0], f64(case["smm_src"]))
    assert float(pairwise_l2(ours, theirs)) == pytest.approx(case["l2_paper_sum"], rel=1e-12)
    assert float(pairwise_cosine(ours, theirs)) == pytest.approx(case["cos_official_code"], rel=1e-12)
    assert float(pairwise_cosine(theirs, theirs)) == pytest.approx(case["cos_official_floor_identical"], rel=1e-12)
    assert float(pairwise_l2(theirs + 5, theirs)) == pytest.approx(0, abs=1e-20)  # frames share it
    both = torch.cat([ours, theirs])
    assert float(pairwise_l2(both, theirs)) == pytest.approx(case["l2_paper_sum"], rel=1e-12)


def test_the_loss_of_motion_clone_is_the_codes():
    case = GOLDEN["motionclone"]
    ours, theirs = (f64(case[name])[None, :, None] for name in ("gen_attn", "ref_attn"))  # one head
    primary = find_primary(theirs)
    assert primary.place[0, :, 0, :, 0].tolist() == case["top1_index"]
    assert float(primary_match(ours, primary)) == pytest.approx(case["loss_mse_top1"], rel=1e-9)  # stored to 12 places
    assert float(primary_match(torch.cat([ours, theirs, ours]), primary)) == pytest.approx(
        2 * case["loss_mse_top1"], rel=1e-9
    )


def test_more_noise_is_the_forward_process():
    schedule, one = NoiseSchedule.scaled_linear(), f64([1.0])
    signal = schedule.add_more_noise(schedule.add_noise(one, 0 * one, 300), 0 * one, 300, 700)
    assert float(signal) == pytest.approx(float(schedule.alpha_bars[700].sqrt()), rel=1e-12)
    old = schedule.add_more_noise(schedule.add_noise(0 * one, one, 300), 0 * one, 300, 700)
    new = schedule.add_more_noise(0 * one, one, 300, 700)
    assert float(old**2 + new**2) == pytest.approx(float(1 - schedule.alpha_bars[700]), rel=1e-12)


def test_a_step_of_motion_clone_lowers_its_loss(either, latents, text, noise):
    guidance = build("motion_clone", either, seeded(*latents.shape, seed=9), text, weight=1.0)
    step = Step(0, STEPS, 801, 601, text)
    gradient = guidance.differentiate(noise, step.t, text)
    assert clone_loss(guidance, noise - 0.5 * gradient / gradient.norm(), step.t, text) < clone_loss(
        guidance, noise, step.t, text
    ) < clone_loss(guidance, noise + 0.5 * gradient / gradient.norm(), step.t, text)  # fmt: skip
    expected = -(((1 - either.schedule.alpha_bars[801]) * (1 - either.schedule.alpha_bars[601])) ** 0.5) * gradient
    moved = guidance.guide(noise, step, lambda z: z) - noise
    torch.testing.assert_close(moved, expected.to(moved), rtol=1e-2, atol=1e-6)


def test_the_sign_of_the_motion_clone_paper_would_raise_the_loss(denoiser, noise):
    """What the comment in motion_clone says of DDIM's step: less noise in z_t gives a z_t_prev with more of it."""
    schedule, eps = denoiser.schedule, seeded(*noise.shape, seed=4)
    moved = schedule.step(noise, eps - 0.1 * noise, 801, 601) - schedule.step(noise, eps, 801, 601)
    assert float((moved * noise).sum()) > 0


def test_optimisation_of_dmt_lowers_its_loss(either, latents, text, noise):
    guidance = build("dmt", either, seeded(*latents.shape, seed=9), text, optimisation_steps=5)
    t = either.schedule.levels(STEPS)[0]
    moved = guidance.optimise(noise, t, text, 0.02)
    assert dmt_loss(guidance, moved, t, text) < 0.9 * dmt_loss(guidance, noise, t, text)
    assert float((moved - noise).abs().max()) <= 1.1 * 5 * 0.02
    assert torch.equal(guidance.inverted, invert(either, seeded(*latents.shape, seed=9), text[0], STEPS))


@pytest.mark.parametrize("method", ["dmt", "motion_clone"])
def test_clips_of_a_batch_are_guided_independently(denoiser, latents, text, noise, method):
    pair = torch.cat([noise, seeded(*noise.shape, seed=8)])
    guidance = build(method, denoiser, latents, text)
    if method == "dmt":
        both, alone = (guidance.optimise(z, T, text.expand(len(z), -1, -1), 0.02) for z in (pair, pair[1:]))
    else:
        both, alone = (guidance.differentiate(z, T, text.expand(len(z), -1, -1)) for z in (pair, pair[1:]))
    torch.testing.assert_close(both[1:], alone, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("method", ["dmt", "motion_clone"])
def test_memory_modes_give_the_same_gradients(either, latents, text, noise, method):
    found = []
    for memory in ("fast", "balanced", "low"):
        guidance = build(method, either, seeded(*latents.shape, seed=9), text, memory=memory)
        found.append(
            guidance.optimise(noise, T, text, 0.02) if method == "dmt" else guidance.differentiate(noise, T, text)
        )
    assert float(found[0].abs().max()) > 0
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-4, atol=1e-5)
