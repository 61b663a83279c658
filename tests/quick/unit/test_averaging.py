"""Gradients clipped to their median norm, and the average of the last steps."""

import pytest
import torch

from motion_core.recipes.motion_inversion import MOTION_INVERSION, OFFICIAL
from motion_core.recipes.optimizer_settings import OptimizerSettings
from motion_core.training.averaging import DECAY, ClippingAndAveraging
from motion_core.training.early_stop import AppearanceStop, StopSettings
from motion_core.training.loop import minimize
from motion_core.training.train import train
from tests.training_cases import assert_equal_motions, one_clip


def optimize(gradients, steady, rate=0.1, half=False):
    """Training whose gradients are given; returns the result, and the parameter before each step."""
    parameter, before, coming = torch.zeros(2), [], iter(gradients)

    def draw():
        before.append(parameter.detach().clone())
        yield (parameter * torch.tensor(next(coming))).sum(), [parameter]

    settings = OptimizerSettings(len(gradients), rate, weight_decay=0.0, steady=steady)
    minimize([parameter], draw, settings, half=half)
    return parameter.detach(), before


def test_the_result_is_the_average_of_the_steps():
    averaged, seen = optimize([[1.0, 2.0]] * 6, steady=True)
    last, plain = optimize([[1.0, 2.0]] * 6, steady=False)
    assert all(torch.equal(a, b) for a, b in zip(seen, plain, strict=True))  # as no gradient is unusual
    weights = torch.tensor([DECAY**age for age in range(5, -1, -1)])
    after = torch.stack([*seen[1:], last])
    torch.testing.assert_close(averaged, (weights[:, None] * after).sum(0) / weights.sum())


def test_a_rare_large_gradient_is_clipped_to_the_median():
    stabilizer = ClippingAndAveraging([torch.zeros(2, requires_grad=True)])
    (parameter,) = stabilizer.parameters
    for gradient, expected in (
        ([3.0, 4.0], [3.0, 4.0]),
        ([3.0, 4.0], [3.0, 4.0]),
        ([300.0, 400.0], [3.0, 4.0]),
        ([0.3, 0.4], [0.3, 0.4]),
    ):
        parameter.grad = torch.tensor(gradient)
        stabilizer.before_step()
        torch.testing.assert_close(parameter.grad, torch.tensor(expected))


def test_one_large_gradient_does_not_undo_the_training():
    gradients = [[1.0, 1.0]] * 20 + [[-1000.0, -1000.0]] + [[1.0, 1.0]] * 5
    steady, plain = (optimize(gradients, steady)[1][-1] for steady in (True, False))
    assert steady[0] < -2 < plain[0]


@pytest.mark.parametrize("bad", [0.0, float("inf")])
def test_gradients_of_norm_zero_or_infinity_leave_later_ones_whole(bad):
    """As they are while the scale of an fp16 model's loss is looked for."""
    stabilizer = ClippingAndAveraging([torch.zeros(1, requires_grad=True)])
    (parameter,) = stabilizer.parameters
    for gradient in (bad, 2.0, 2.0):
        parameter.grad = torch.tensor([gradient])
        stabilizer.before_step()
    assert parameter.grad.tolist() == [2.0]
    half, _ = optimize([[1.0, 1.0]] * 5, steady=True, half=True)
    assert half.isfinite().all() and half.ne(0).all()


def test_observers_get_what_training_would_return_and_change_nothing():
    shown = []
    gradients = [[1.0, 2.0], [-3.0, 1.0], [2.0, 2.0], [1.0, -5.0], [1.0, 1.0]]
    parameter = torch.zeros(2)

    def optimize_for(steps, observe=None):
        nonlocal parameter
        parameter, coming = torch.zeros(2), iter(gradients)

        def draw():
            yield (parameter * torch.tensor(next(coming))).sum(), [parameter]

        observing = {"is_due": lambda step: step % 2 == 0, "observe": observe} if observe else {}
        minimize([parameter], draw, OptimizerSettings(steps, 0.1, steady=True), half=False, **observing)
        return parameter.detach()

    observed = optimize_for(5, lambda step: shown.append((step, parameter.detach().clone())))
    assert torch.equal(observed, optimize_for(5))
    assert [step for step, _ in shown] == [2, 4]
    for step, seen in shown:
        assert torch.equal(seen, optimize_for(step))


def test_an_observer_keeps_the_averaged_motion_of_its_step(denoiser, latents, text):
    recipe = OFFICIAL.changed(steps=6, learning_rate=0.5, memory="fast", steady=True)
    scores = iter([0.1, 0.5, 0.2])
    stop = AppearanceStop(StopSettings(every=2), lambda motion: next(scores))
    kept = train(denoiser, one_clip(latents, text), recipe, observer=stop).motion
    assert stop.kept_step == 4
    assert_equal_motions(kept, train(denoiser, one_clip(latents, text), recipe.changed(steps=4)).motion)


def test_a_file_records_whether_weights_were_averaged():
    steady, plain = OFFICIAL.changed(steady=True).describe(), OFFICIAL.describe()
    assert steady["steady"] and "averaged" in steady["optimiser"]
    assert not plain["steady"] and "averaged" not in plain["optimiser"]


def test_the_memory_of_the_average_is_predicted(denoiser, latents, text):
    plain, steady = (
        train(denoiser, one_clip(latents, text), OFFICIAL.changed(steps=1, memory="fast", steady=steady))
        for steady in (False, True)
    )
    average = sum(parameter.nbytes for parameter in plain.motion.parameters)
    assert steady.memory.predicted - plain.memory.predicted == average


def test_only_our_own_presets_average_and_may_be_changed():
    assert {name for name, recipe in MOTION_INVERSION.items() if recipe.optimizer.steady} == {
        "fast",
        "starter",
        "wan",
        "wan_starter",
    }
    assert not MOTION_INVERSION["fast"].changed(steady=False).optimizer.steady
