"""The loop of learning, also as it runs on a GPU: with losses that are read a step late."""

import math

import pytest
import torch

from motion_core.errors import MotionError


@pytest.fixture(params=[0, 1], ids=["at once", "a step late"])
def lag(request, monkeypatch):
    monkeypatch.setattr("motion_core.training.loop.read_lag", lambda _: request.param)
    return request.param


def run(steps=5, callback=None, look=None, bad=None, twice=False):
    parameter = torch.ones(3)
    count = iter(range(1, steps + 1))

    def draw():
        step = next(count)
        for _ in range(1 + twice):
            yield (parameter**2).sum() * (math.nan if step == bad else 1), [parameter]

    losses = OptimizerSettings(steps, 0.1).follow([parameter], draw, half=False, callback=callback, look=look)
    return losses, parameter.detach()


def test_losses_are_told_in_order(lag):
    told = []
    losses, _ = run(callback=lambda *said: told.append(said))
    assert told == list(enumerate(losses, 1)) and len(losses) == 5 and losses == sorted(losses, reverse=True)


def test_reading_late_changes_nothing(monkeypatch):
    results = []
    for lag in (0, 1):
        monkeypatch.setattr("motion_core.training.loop.read_lag", lambda _, lag=lag: lag)
        results.append(run(twice=True))
    assert results[0][0] == results[1][0] and torch.equal(results[0][1], results[1][1])


def test_losses_of_a_step_add_up(lag):
    assert run(twice=True)[0][0] == 2 * run()[0][0] == 6


def test_true_ends_and_is_not_asked_again(lag):
    told = []
    losses, _ = run(callback=lambda step, loss: told.append(step) or step == 2)
    assert told == [1, 2] and len(losses) == 2 + lag


def test_a_callback_that_raises_ends_it(lag):
    def interrupt(step, loss):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(callback=interrupt)


@pytest.mark.parametrize("bad", [1, 3, 5])
def test_a_loss_that_is_not_finite_is_a_sentence(lag, bad):
    with pytest.raises(MotionError, match=f"step {bad} is nan; choose a lower learning_rate"):
        run(bad=bad)


def test_looks_come_after_each_step(lag):
    seen = []
    losses, _ = run(look=lambda step: seen.append(step) or step == 3)
    assert seen == [1, 2, 3] and len(losses) == 3


def test_draws_are_closed_when_a_step_fails():
    closed = []

    def draw():
        try:
            yield torch.zeros(1), [torch.zeros(1)]  # has no gradient
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError):
        OptimizerSettings(1).follow([torch.ones(1)], draw, half=False)
    assert closed == [True]
