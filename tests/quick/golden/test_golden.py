"""Every formula against values computed in float64 from its paper."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from motion_core.diffusion.initial_noise import blend, low_frequency_replace
from motion_core.diffusion.objectives import (
    appearance_debiased,
    attention_feature_match,
    evaluate_objective,
    frame_residual_cosine,
    frame_residual_l2,
    noise_mse,
    parse_objective,
)
from motion_core.diffusion.schedule import NoiseSchedule
from motion_core.diffusion.timesteps import CoarseNoise, Uniform
from motion_core.metrics.clip_scores import frame_consistency, temporal_consistency, text_similarity
from motion_core.metrics.discrepancy import motion_discrepancy
from motion_core.metrics.fidelity import motion_fidelity, raw_motion_fidelity
from motion_core.motions.debias import debias, frame_difference, subtract_mean, undo_difference

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))


def f64(values) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def assert_equal(actual, expected, tolerance: float = 1e-12) -> None:
    actual, expected = torch.as_tensor(actual), torch.as_tensor(expected, dtype=torch.float64)
    assert actual.dtype == torch.float64
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def test_debias_eq5():
    case = GOLDEN["debias_eq5"]
    v = f64(case["m_v"])
    assert_equal(frame_difference(v), case["debiased"])
    assert_equal(subtract_mean(v), case["normalize_ablation"])
    assert_equal(undo_difference(f64(case["debiased"])), v)
    assert_equal(frame_difference(f64(case["constant_in"])), case["constant_out"], 0)
    assert_equal(debias(v, "difference"), case["debiased"])
    assert_equal(debias(v, "mean"), case["normalize_ablation"])
    assert_equal(debias(v, "none"), v, 0)


def test_vmc_frame_residual_cosine():
    case = GOLDEN["vmc"]
    pred, target = f64(case["pred"]), f64(case["target"])
    assert_equal(frame_residual_cosine(pred, target), case["cos_paper"])
    offset = torch.arange(8, dtype=torch.float64).reshape(1, 2, 1, 2, 2)
    identities = case["identities"]
    assert_equal(frame_residual_cosine(target, target), identities["pred==target"])
    assert_equal(frame_residual_cosine(-target, target), identities["pred==-target"])
    assert_equal(frame_residual_cosine(5 * target, target), identities["pred==5*target"])
    shifted = frame_residual_cosine(target + offset, target)
    assert_equal(shifted, identities["pred==target+any constant frame offset"])
    orthogonal = case["orthogonal_residuals"]
    assert_equal(frame_residual_cosine(f64(orthogonal["pred"]), f64(orthogonal["target"])), orthogonal["exact"])


def test_vmc_frame_residual_l2():
    case = GOLDEN["vmc"]
    pred, target, alpha_bar = f64(case["pred"]), f64(case["target"]), case["alpha_bar"]
    assert_equal(frame_residual_l2(pred, target, alpha_bar), case["l2_eq16_sum_per_pair_mean"])
    assert_equal(frame_residual_l2(pred, target, f64([alpha_bar])), case["l2_eq16_sum_per_pair_mean"])


def test_appearance_debiased():
    case = GOLDEN["appearance_debiased"]
    pred, target = f64(case["pred"]), f64(case["target"])
    assert_equal(noise_mse(pred, target), case["org_mse"])
    assert_equal(appearance_debiased(pred, target, case["anchor"], case["beta"]), case["ad_mse"])
    terms = parse_objective("noise_mse + appearance_debiased")
    total = evaluate_objective(terms, pred, target, anchor=case["anchor"], alpha_bar=0.5)
    assert_equal(total, case["total"])


def test_appearance_debiased_phi():
    phi = GOLDEN["appearance_debiased"]["phi_scalar"]
    clip = f64([phi["eps"], phi["anchor"]]).reshape(1, 1, 2, 1, 1)
    anchor_phi = (math.sqrt(phi["beta"] ** 2 + 1) - phi["beta"]) * phi["anchor"]
    loss = appearance_debiased(clip, torch.zeros_like(clip), 1, phi["beta"])
    assert_equal(loss, (phi["value"] ** 2 + anchor_phi**2) / 2)
    shared = appearance_debiased(torch.full_like(clip, 3), torch.zeros_like(clip), 0)
    gain = GOLDEN["appearance_debiased"]["shared_offset_gain"]
    assert_equal(shared, 9 * gain**2)


def test_motion_feature_matching():
    case = GOLDEN["motion_feature_matching"]

    def maps(which: str) -> dict[str, Tensor]:
        query, key, both = f64(case[f"Qca_{which}"]), f64(case["Kca"]), f64(case[f"Qtsa_{which}"])
        return {"ca": attention(query, key), "tsa": attention(both, both)}

    def attention(query: Tensor, key: Tensor) -> Tensor:
        return (query @ key.mT / math.sqrt(query.shape[-1])).softmax(-1).mean(0)

    pred = maps("a")
    assert_equal(pred["ca"], case["M_ca_a"], 1e-11)  # stored to 12 decimals
    assert_equal(pred["tsa"], case["M_tsa_a"], 1e-11)
    weights = {"ca": case["lambda_ca"], "tsa": case["lambda_tsa"]}
    assert_equal(attention_feature_match(pred, maps("b"), weights), case["loss_official_code"])


def test_coarse_noise_density():
    case = GOLDEN["coarse_noise"]
    sampler = CoarseNoise(case["alpha"], case["T"])
    for t, density in case["pdf"].items():
        assert sampler.pdf(int(t)) == pytest.approx(density, rel=1e-12)
    for share, t in case["quantiles"].items():
        assert sampler.quantile(float(share)) == pytest.approx(t, rel=1e-12)
    for t, share in case["cdf"].items():
        assert sampler.quantile(share) == pytest.approx(int(t), rel=1e-12)
    assert CoarseNoise(1.0, case["T"]).quantile(0.5) == pytest.approx(case["median_alpha1"], rel=1e-12)
    assert sampler.quantile(1 - case["prob_t_gt_half"]) == pytest.approx(case["T"] / 2, rel=1e-12)


def test_coarse_noise_mean():
    case = GOLDEN["coarse_noise"]
    shares = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000  # the midpoint rule over quantiles
    assert_equal(CoarseNoise(case["alpha"], case["T"]).quantile(shares).mean(), case["mean_exact"], 1e-7)


def test_coarse_noise_with_alpha_0_is_uniform():
    assert GOLDEN["coarse_noise"]["alpha0_is_uniform"]
    t, u = torch.linspace(0, 1000, 11), torch.linspace(0, 1, 11, dtype=torch.float64)
    assert_equal(CoarseNoise(0.0).pdf(t), Uniform(0, 1000).pdf(t))
    assert_equal(CoarseNoise(0.0).quantile(u), Uniform(0, 1000).quantile(u))


def test_coarse_noise_discrete_probabilities(monkeypatch):
    exact = GOLDEN["coarse_noise"]["discrete"]
    seen: list[Tensor] = []
    draw = torch.multinomial
    monkeypatch.setattr(torch, "multinomial", lambda weights, *a, **k: seen.append(weights) or draw(weights, *a, **k))
    CoarseNoise(0.5).sample(3, torch.Generator().manual_seed(0))
    weights = seen[0]
    probability = weights / weights.sum()
    assert_equal(weights.sum(), exact["Z"])
    assert_equal(probability[0], exact["p0"])
    assert_equal(probability[999], exact["p999"])
    assert_equal((probability * torch.arange(1000)).sum(), exact["mean"])


def test_dmt_low_frequency_replace():
    case = GOLDEN["dmt_lowfreq"]
    inverted, noise, factor = f64(case["inv"]), f64(case["noise"]), case["factor"]
    mixed = low_frequency_replace(inverted, noise, factor)
    assert_equal(mixed, case["official_mix"], 1e-11)  # stored to 12 decimals
    assert not torch.allclose(mixed, f64(case["half_pixel_mix"]), atol=1e-3)


def test_dmt_identities():
    case = GOLDEN["dmt_lowfreq"]
    inverted, noise = f64(case["inv"]), f64(case["noise"])
    assert_equal(low_frequency_replace(inverted, inverted), inverted, 0)
    assert_equal(low_frequency_replace(inverted + 3, noise), low_frequency_replace(inverted, noise) + 3)
    low = low_frequency_replace(inverted, torch.zeros_like(inverted))
    assert_equal(low_frequency_replace(inverted, torch.full_like(inverted, 7)), low)
    assert_equal(low_frequency_replace(inverted, noise), noise - low_frequency_replace(noise, 0 * noise) + low)
    stacked = torch.stack([inverted, noise, noise, inverted, 2 * noise, noise]).reshape(1, 3, 2, 8, 8)
    assert_equal(low_frequency_replace(stacked, stacked.flip(1))[0, 0, 0], low_frequency_replace(inverted, 2 * noise))


def test_dmt_ramp():
    ramp = torch.arange(8, dtype=torch.float64).expand(8, 8)
    left, right = GOLDEN["dmt_lowfreq"]["ramp_down_official"]
    row = low_frequency_replace(ramp, torch.zeros_like(ramp))[0]
    # resizing back from 2 columns samples them at (i + .5) / 7 - .5, never left of the first
    expected = [left + max(0.0, (i + 0.5) / 7 - 0.5) * (right - left) for i in range(8)]
    assert_equal(row, expected)


@pytest.mark.parametrize("beta", ["0.0", "0.3", "0.5", "1.0"])
def test_blend(beta):
    case = GOLDEN["blend"]
    exact = 0 if beta in ("0.0", "1.0") else 1e-12
    assert_equal(blend(f64(case["inv"]), f64(case["noise"]), float(beta)), case[f"out_beta_{beta}"], exact)


def test_blend_scalar():
    scalar = GOLDEN["blend"]["scalar"]
    assert_equal(blend(f64(scalar["inv"]), f64(scalar["noise"]), scalar["beta"]), scalar["out"])


@pytest.mark.parametrize("timestep", ["1", "500", "999"])
def test_v_t_of_the_customizing_motion_paper(timestep):
    case, t = GOLDEN["v_t"], int(timestep)
    expected, schedule = case["t"][timestep], NoiseSchedule.scaled_linear()
    z0, eps, eps_pred = f64(case["z0"]), f64(case["eps"]), f64(case["eps_pred"])
    assert_equal(schedule.alpha_bars[t], expected["abar_t"])
    assert_equal(schedule.alpha_bars[t - 1], expected["abar_prev"])
    assert_equal(schedule.alpha_bars[t] / schedule.alpha_bars[t - 1], expected["alpha_t"])
    z_t = schedule.add_noise(z0, eps, t)
    assert_equal(z_t, expected["z_t"])
    assert_equal(schedule.predict_x0(z_t, eps, t), z0)
    assert_equal(schedule.step(z_t, eps, t, t - 1), expected["v_true"])
    assert_equal(schedule.step(z_t, eps_pred, t, t - 1), expected["v_pred"])
    assert_equal(schedule.step(f64([1.0]), f64([0.0]), t, t - 1), [expected["coef_z"]])
    assert_equal(schedule.step(f64([0.0]), f64([1.0]), t, t - 1), [expected["coef_eps"]])


def test_ddim_inversion():
    case, schedule = GOLDEN["ddim_inversion"], NoiseSchedule.scaled_linear()
    one = case["one_step"]
    assert_equal(schedule.step(f64([one["x"]]), f64([one["eps"]]), one["t_prev"], one["t"]), [one["out"]])
    first, last = case["timesteps_first_last"]
    stride = schedule.steps // case["steps"]
    z = f64([1.0])
    for t in range(first, last + 1, stride):
        z = schedule.step(z, torch.zeros_like(z), t - stride, t)
    assert_equal(z, [case["zero_eps_exact"]])


def test_motion_fidelity():
    case = GOLDEN["motion_fidelity"]
    source, output = f64(case["src"]), f64(case["out"])
    assert_equal(motion_fidelity(source, output), case["mean_half"])
    assert_equal(raw_motion_fidelity(source, output), case["eq6"])
    assert_equal(raw_motion_fidelity(source, source), case["identical_eq6"])
    assert_equal(raw_motion_fidelity(source[:1], output[2:]), case["reversed_single"])
    for i, row in enumerate(case["corr"]):
        for j, correlation in enumerate(row):
            assert_equal(motion_fidelity(source[i : i + 1], output[j : j + 1]), correlation)


def test_motion_discrepancy():
    case = GOLDEN["motion_discrepancy"]
    reference, output = f64(case["ref"]), f64(case["gen"])
    assert_equal(motion_discrepancy(reference, output, case["H"], case["W"]), case["value"])
    assert_equal(motion_discrepancy(reference, reference, case["H"], case["W"]), case["identical"], 0)
    general = case["general"]
    value = motion_discrepancy(f64(general["ref"]), f64(general["gen"]), general["H"], general["W"])
    assert_equal(value, general["value"])


def test_clip_scores():
    case = GOLDEN["clip_scores"]
    frames, text = f64(case["frames"]), f64(case["text"])
    assert_equal(text_similarity(frames, text), case["text_similarity"])
    assert_equal(temporal_consistency(frames), case["temporal_consistency_all_pairs_MI_VMC"])
    assert_equal(frame_consistency(frames), case["frame_consistency_consecutive_MM"])
