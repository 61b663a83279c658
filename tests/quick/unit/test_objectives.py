"""Objectives and debiasing: what they ignore, what they weigh, and what they refuse."""

import math
import re

import pytest
import torch
from torch import Tensor

from motion_core.diffusion.objectives import (
    OBJECTIVES,
    appearance_debiased,
    attention_feature_match,
    evaluate_objective,
    frame_residual_cosine,
    frame_residual_l2,
    noise_mse,
    parse_objective,
)
from motion_core.errors import OptionError
from motion_core.motions.debias import DEBIAS_MODES, debias, frame_difference, subtract_mean, undo_difference

LOSSES = {
    "noise_mse": noise_mse,
    "appearance_debiased": lambda pred, target: appearance_debiased(pred, target, 1),
    "frame_residual_cosine": frame_residual_cosine,
    "frame_residual_l2": lambda pred, target: frame_residual_l2(pred, target, 0.4),
}
FRAME_LOSSES = [name for name in LOSSES if name != "noise_mse"]


def clip(seed: int, *, batch: int = 2, frames: int = 5, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, frames, 4, 2, generator=generator, dtype=dtype)


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    return clip(0), clip(1)


def test_running_sum_undoes_frame_difference():
    v = torch.randn(6, 8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(undo_difference(frame_difference(v)), v, rtol=0, atol=1e-12)
    torch.testing.assert_close(frame_difference(undo_difference(v)), v, rtol=0, atol=1e-12)


def test_frame_difference_keeps_the_first_frame_and_drops_a_constant():
    v = torch.randn(6, 8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    offset = torch.ones(6, 1, 4, dtype=torch.float64)
    changed = frame_difference(v + offset) - frame_difference(v)
    torch.testing.assert_close(changed[:, :1], offset)
    torch.testing.assert_close(changed[:, 1:], torch.zeros(6, 7, 4, dtype=torch.float64), rtol=0, atol=1e-12)


def test_subtract_mean_leaves_no_mean_over_frames():
    v = torch.randn(6, 8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 5
    assert subtract_mean(v).mean(1).abs().max() < 1e-12
    torch.testing.assert_close(subtract_mean(v + 3), subtract_mean(v))


def test_debias_of_one_frame():
    v = torch.ones(6, 1, 4)
    assert torch.equal(debias(v, "difference"), v)
    assert torch.equal(debias(v, "mean"), torch.zeros_like(v))


@pytest.mark.parametrize("mode", DEBIAS_MODES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_debias_keeps_shape_and_dtype(mode, dtype):
    result = debias(torch.ones(6, 3, 4, dtype=dtype), mode)
    assert result.shape == (6, 3, 4) and result.dtype == dtype


def test_debias_passes_gradients():
    v = torch.ones(2, 3, 4, dtype=torch.float64, requires_grad=True)
    frame_difference(v).sum().backward()
    assert v.grad is not None and torch.equal(v.grad[:, -1], torch.ones(2, 4)) and v.grad[:, :-1].abs().max() == 0


def test_debias_refuses():
    with pytest.raises(OptionError, match="'median'.*difference, mean, none"):
        debias(torch.ones(2, 3, 4), "median")
    for function in (frame_difference, subtract_mean, undo_difference):
        with pytest.raises(OptionError, match=r"\(2, 3\).*\(HW, N, C\)"):
            function(torch.ones(2, 3))


@pytest.mark.parametrize("name", ["frame_residual_cosine", "frame_residual_l2"])
def test_frame_residuals_ignore_a_constant_frame_offset(pair, name):
    pred, target = pair
    offset = 3 * clip(2, frames=1)
    torch.testing.assert_close(LOSSES[name](pred + offset, target), LOSSES[name](pred, target), rtol=1e-10, atol=0)
    assert not torch.isclose(LOSSES[name](pred + clip(2), target), LOSSES[name](pred, target), rtol=1e-3)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0])
def test_appearance_debiased_weighs_down_a_shared_error(pair, beta):
    target = pair[1]
    offset = clip(2, frames=1)
    loss = appearance_debiased(target + offset, target, 3, beta)
    weight = (math.sqrt(beta**2 + 1) - beta) ** 2
    torch.testing.assert_close(loss, weight * offset.square().mean(), rtol=1e-10, atol=0)


def test_appearance_debiased_depends_on_the_anchor_and_beta_0_is_noise_mse(pair):
    losses = [appearance_debiased(*pair, anchor).item() for anchor in range(5)]
    assert len(set(losses)) == 5
    torch.testing.assert_close(appearance_debiased(*pair, 2, beta=0.0), noise_mse(*pair))


def test_stride_skips_frames(pair):
    pred, target = pair
    every_second = frame_residual_l2(pred[:, :, ::4], target[:, :, ::4], 0.5)
    torch.testing.assert_close(frame_residual_l2(pred, target, 0.5, stride=4), every_second)
    torch.testing.assert_close(
        frame_residual_cosine(pred, target, stride=4), frame_residual_cosine(pred[:, :, ::4], target[:, :, ::4])
    )
    assert not torch.isclose(frame_residual_cosine(pred, target, stride=2), frame_residual_cosine(pred, target))


def test_frame_residual_l2_weighs_each_clip_by_its_own_noise_level(pair):
    pred, target = pair
    levels = torch.tensor([0.9, 0.1], dtype=torch.float64)
    alone = [frame_residual_l2(pred[i : i + 1], target[i : i + 1], levels[i]) for i in range(2)]
    for shape in [(2,), (2, 1, 1, 1, 1)]:
        torch.testing.assert_close(frame_residual_l2(pred, target, levels.reshape(shape)), sum(alone) / 2)
    assert frame_residual_l2(pred, target, 1.0) == 0


def test_frame_residual_l2_is_the_distance_of_clean_residuals(pair):
    (pred, target), alpha_bar = pair, 0.3
    clean = [-math.sqrt((1 - alpha_bar) / alpha_bar) * e for e in (pred, target)]
    expected = (clean[0].diff(dim=2) - clean[1].diff(dim=2)).square().sum((1, 3, 4)).mean()
    torch.testing.assert_close(frame_residual_l2(pred, target, alpha_bar), expected)


@pytest.mark.parametrize("zero", ["pred", "target", "both", "one pair"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_static_frames_give_finite_cosine_and_gradients(zero, dtype):
    pred, target = clip(0, dtype=dtype), clip(1, dtype=dtype)
    if zero in ("pred", "both"):
        pred = torch.ones_like(pred)
    if zero in ("target", "both"):
        target = torch.ones_like(target)
    if zero == "one pair":
        pred[:, :, 1] = pred[:, :, 0]
    pred.requires_grad_()
    loss = frame_residual_cosine(pred, target)
    loss.backward()
    assert loss.isfinite() and (zero == "one pair" or loss == 1)
    assert pred.grad is not None and pred.grad.isfinite().all() and pred.grad.abs().max() < 10


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_are_right(pair, name):
    pred = pair[0][:1, :2, :3].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: LOSSES[name](x, pair[1][:1, :2, :3]), pred)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize(
    ("given", "expected"),
    [(torch.float64, torch.float64), (torch.float32, torch.float32), (torch.float16, torch.float32)],
)
def test_the_dtype_is_kept_and_half_is_computed_in_single(name, given, expected):
    loss = LOSSES[name](clip(0).to(given), clip(1).to(given))
    assert loss.dtype == expected and loss.shape == ()
    torch.testing.assert_close(loss.double(), LOSSES[name](clip(0), clip(1)), rtol=5e-3, atol=0)


def test_half_precision_does_not_overflow():
    pred = torch.full((1, 1, 2, 4, 4), 300.0, dtype=torch.float16)
    assert noise_mse(pred, -pred) == 360000


@pytest.mark.parametrize("name", OBJECTIVES)
def test_unequal_shapes_show_both(name):
    with pytest.raises(OptionError, match=r"\(2, 3, 5, 4, 2\).*\(2, 3, 4, 4, 2\)"):
        LOSSES[name](clip(0), clip(1, frames=4))


@pytest.mark.parametrize("name", FRAME_LOSSES)
def test_a_layout_without_frames_is_refused(name):
    with pytest.raises(OptionError, match=r"\(3, 5, 4, 2\).*\(B, C, N, H, W\)"):
        LOSSES[name](clip(0)[0], clip(1)[0])


@pytest.mark.parametrize("anchor", [-1, 5])
def test_an_anchor_outside_the_clip_is_refused(pair, anchor):
    with pytest.raises(OptionError, match=f"anchor frame {anchor} .* 5 frames.*0 to 4"):
        appearance_debiased(*pair, anchor)


@pytest.mark.parametrize("beta", [-0.1, math.inf, math.nan])
def test_a_bad_beta_is_refused(pair, beta):
    with pytest.raises(OptionError, match=f"beta is {beta}"):
        appearance_debiased(*pair, 0, beta)


@pytest.mark.parametrize("stride", [-1, 0, 5])
def test_a_stride_without_a_pair_is_refused(pair, stride):
    with pytest.raises(OptionError, match=f"stride {stride} .*1 to 4"):
        frame_residual_cosine(*pair, stride)
    with pytest.raises(OptionError, match=f"stride {stride} .*1 to 4"):
        frame_residual_l2(*pair, 0.5, stride)


@pytest.mark.parametrize("alpha_bar", [0.0, -0.1, 1.1, math.nan, torch.tensor([0.5, 0.0])])
def test_an_alpha_bar_out_of_range_is_refused(pair, alpha_bar):
    with pytest.raises(OptionError, match="above 0 and up to 1"):
        frame_residual_l2(*pair, alpha_bar)


def test_an_alpha_bar_for_another_batch_is_refused(pair):
    with pytest.raises(OptionError, match="3 values for 2 clips"):
        frame_residual_l2(*pair, torch.full((3,), 0.5))


def test_attention_feature_match_adds_weighted_means():
    pred = {"a": torch.full((2, 3), 2.0, requires_grad=True), "b": torch.ones(5, 4), "unweighted": torch.ones(1)}
    target = {"a": torch.zeros(2, 3, requires_grad=True), "b": torch.full((5, 4), 4.0)}
    loss = attention_feature_match(pred, target, {"a": 10.0, "b": 0.5})
    assert loss.item() == 10 * 4 + 0.5 * 9
    loss.backward()
    assert pred["a"].grad is not None and target["a"].grad is None


def test_attention_feature_match_refuses():
    maps = {"a": torch.ones(2), "b": torch.ones(3)}
    with pytest.raises(OptionError, match="no weights"):
        attention_feature_match(maps, maps, {})
    with pytest.raises(OptionError, match="'c' .*a, b"):
        attention_feature_match(maps, maps, {"c": 1.0})
    with pytest.raises(OptionError, match="'b' .*: a$"):
        attention_feature_match(maps, {"a": torch.ones(2)}, {"b": 1.0})
    with pytest.raises(OptionError, match=r"\(2,\).*\(3,\)"):
        attention_feature_match(maps, {"a": torch.ones(3)}, {"a": 1.0})


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("noise_mse", ((1.0, "noise_mse"),)),
        ("noise_mse+0.5*appearance_debiased", ((1.0, "noise_mse"), (0.5, "appearance_debiased"))),
        (" 2 * noise_mse +\n frame_residual_l2 ", ((2.0, "noise_mse"), (1.0, "frame_residual_l2"))),
        ("1e+3*frame_residual_cosine+1e-3*noise_mse", ((1000.0, "frame_residual_cosine"), (0.001, "noise_mse"))),
    ],
)
def test_parse_objective(text, terms):
    assert parse_objective(text) == terms


@pytest.mark.parametrize(
    ("text", "unknown"),
    [("mse", "mse"), ("noise_mse+", ""), ("", ""), ("2*vmc", "vmc"), ("noise_mse-vmc", "noise_mse-vmc")],
)
def test_parse_objective_names_the_unknown_term_and_the_choices(text, unknown):
    with pytest.raises(OptionError, match=f"'{unknown}'.*" + ", ".join(OBJECTIVES)):
        parse_objective(text)


@pytest.mark.parametrize("weight", ["", "half", "0", "-1", "nan", "inf", "2*noise_mse"])
def test_parse_objective_refuses_a_bad_weight(weight):
    term = f"{weight}*noise_mse"
    with pytest.raises(OptionError, match=f"'{re.escape(term)}' is not a number above 0"):
        parse_objective(term)


def test_evaluate_objective_is_the_weighted_sum(pair):
    terms = tuple((0.5 + i, name) for i, name in enumerate(OBJECTIVES))
    expected = sum(weight * LOSSES[name](*pair) for weight, name in terms)
    assert isinstance(expected, Tensor)
    torch.testing.assert_close(evaluate_objective(terms, *pair, anchor=1, alpha_bar=0.4), expected)


def test_evaluate_objective_refuses(pair):
    with pytest.raises(OptionError, match="objective is empty"):
        evaluate_objective((), *pair, anchor=0, alpha_bar=0.5)
    with pytest.raises(OptionError, match="'vmc'"):
        evaluate_objective(((1.0, "vmc"),), *pair, anchor=0, alpha_bar=0.5)
