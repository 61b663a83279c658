"""The training loop, also as it runs on a GPU: with losses that are read a step late."""

import math

import pytest
import torch

from motion_core.errors import MotionError
from motion_core.recipes.optimizer_settings import OptimizerSettings
from motion_core.training.loop import minimize


@pytest.fixture(params=[0, 1], ids=["at once", "a step late"])
def lag(request, monkeypatch):
    monkeypatch.setattr("motion_core.training.loop.read_lag", lambda _: request.param)
    return request.param


def run(steps=5, callback=None, observe=None, bad=None, twice=False):
    parameter = torch.ones(3)
    count = iter(range(1, steps + 1))

    def draw():
        step = next(count)
        for _ in range(1 + twice):
            yield (parameter**2).sum() * (math.nan if step == bad else 1), [parameter]

    observing = {"is_due": lambda step: True, "observe": observe} if observe else {}
    settings = OptimizerSettings(steps, 0.1)
    losses = minimize([parameter], draw, settings, half=False, callback=callback, **observing)
    return losses, parameter.detach()


def test_losses_are_reported_in_order(lag):
    reported = []
    losses, _ = run(callback=lambda *report: reported.append(report))
    assert reported == list(enumerate(losses, 1)) and len(losses) == 5 and losses == sorted(losses, reverse=True)


def test_reading_late_changes_nothing(monkeypatch):
    results = []
    for lag in (0, 1):
        monkeypatch.setattr("motion_core.training.loop.read_lag", lambda _, lag=lag: lag)
        results.append(run(twice=True))
    assert results[0][0] == results[1][0] and torch.equal(results[0][1], results[1][1])


def test_losses_of_a_step_add_up(lag):
    assert run(twice=True)[0][0] == 2 * run()[0][0] == 6


def test_true_from_the_callback_ends_training_and_is_its_last_call(lag):
    called = []
    losses, _ = run(callback=lambda step, loss: called.append(step) or step == 2)
    assert called == [1, 2] and len(losses) == 2 + lag


def test_an_error_of_the_callback_ends_training(lag):
    def interrupt(step, loss):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(callback=interrupt)


@pytest.mark.parametrize("bad", [1, 3, 5])
def test_a_loss_that_is_not_finite_is_refused_in_a_sentence(lag, bad):
    with pytest.raises(MotionError, match=f"step {bad} is nan; choose a lower learning_rate"):
        run(bad=bad)


def test_observing_comes_after_each_step_and_may_end_training(lag):
    seen = []
    losses, _ = run(observe=lambda step: seen.append(step) or step == 3)
    assert seen == [1, 2, 3] and len(losses) == 3


def test_the_losses_generator_is_closed_when_a_step_fails():
    closed = []

    def draw():
        try:
            yield torch.zeros(1), [torch.zeros(1)]  # has no gradient
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError):
        minimize([torch.ones(1)], draw, OptimizerSettings(1), half=False)
    assert closed == [True]
