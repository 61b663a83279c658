"""Gradients of usual length, and the average of the last steps."""

from dataclasses import replace

import pytest
import torch
from motion_core.recipes.learn_config import LearnConfig
from motion_core.recipes.presets import PRESETS

from motion_core.training import validation
from motion_core.training.averaging import DECAY, Steadiness
from motion_core.training.train import fit


def follow(gradients, steady, rate=0.1, look=None, half=False):
    """Learning whose gradients are given; gives what is learnt, and the parameter after each step."""
    parameter, seen, coming = torch.zeros(2), [], iter(gradients)

    def draw():
        seen.append(parameter.detach().clone())
        yield (parameter * torch.tensor(next(coming))).sum(), [parameter]

    descent = OptimizerSettings(len(gradients), rate, weight_decay=0.0, steady=steady)
    descent.follow([parameter], draw, half, look=look, look_every=2)
    return parameter.detach(), seen


def test_what_is_given_is_the_average_of_what_was():
    given, seen = follow([[1.0, 2.0]] * 6, steady=True)
    last, plain = follow([[1.0, 2.0]] * 6, steady=False)
    assert all(torch.equal(a, b) for a, b in zip(seen, plain, strict=True))  # as no gradient is unusual
    weights = torch.tensor([DECAY**age for age in range(5, -1, -1)])
    after = torch.stack([*seen[1:], last])
    torch.testing.assert_close(given, (weights[:, None] * after).sum(0) / weights.sum())


def test_a_rare_long_gradient_is_cut_to_the_median():
    steadiness = Steadiness([torch.zeros(2, requires_grad=True)])
    (parameter,) = steadiness.parameters
    for gradient, expected in (
        ([3.0, 4.0], [3.0, 4.0]),
        ([3.0, 4.0], [3.0, 4.0]),
        ([300.0, 400.0], [3.0, 4.0]),
        ([0.3, 0.4], [0.3, 0.4]),
    ):
        parameter.grad = torch.tensor(gradient)
        steadiness.shorten()
        torch.testing.assert_close(parameter.grad, torch.tensor(expected))


def test_one_long_gradient_does_not_undo_what_was_learnt():
    gradients = [[1.0, 1.0]] * 20 + [[-1000.0, -1000.0]] + [[1.0, 1.0]] * 5
    steady, plain = (follow(gradients, steady)[1][-1] for steady in (True, False))
    assert steady[0] < -2 < plain[0]


@pytest.mark.parametrize("bad", [0.0, float("inf")])
def test_gradients_without_a_length_do_no_harm(bad):
    """As they are while the scale of an fp16 model's loss is looked for."""
    steadiness = Steadiness([torch.zeros(1, requires_grad=True)])
    (parameter,) = steadiness.parameters
    for gradient in (bad, 2.0, 2.0):
        parameter.grad = torch.tensor([gradient])
        steadiness.shorten()
    assert parameter.grad.tolist() == [2.0]
    half, _ = follow([[1.0, 1.0]] * 5, steady=True, half=True)
    assert half.isfinite().all() and half.ne(0).all()


def test_looks_see_what_learning_would_give():
    shown = []
    gradients = [[1.0, 2.0], [-3.0, 1.0], [2.0, 2.0], [1.0, -5.0], [1.0, 1.0]]
    parameter = torch.zeros(2)

    def learn(steps, look=None):
        nonlocal parameter
        parameter, coming = torch.zeros(2), iter(gradients)

        def draw():
            yield (parameter * torch.tensor(next(coming))).sum(), [parameter]

        OptimizerSettings(steps, 0.1, steady=True).follow([parameter], draw, half=False, look=look, look_every=2)
        return parameter.detach()

    watched = learn(5, lambda step: shown.append((step, parameter.detach().clone())))
    assert torch.equal(watched, learn(5))  # and looking changes nothing
    assert [step for step, _ in shown] == [2, 4]
    for step, seen in shown:
        assert torch.equal(seen, learn(step))


def test_what_is_learnt_steadily_is_said_and_best_is_kept(denoiser, latents, text, monkeypatch):
    monkeypatch.setattr(validation, "EVERY", 2)
    monkeypatch.setattr(validation, "DRAWS", 2)
    config = LearnConfig(steps=12, learning_rate=10.0, memory="fast", steady=True, early_stop=True)
    learnt = fit(denoiser, latents, text, config)
    best = min(learnt.validation, key=lambda look: look[1])[0]
    at_best = fit(denoiser, latents, text, replace(config, early_stop=False, steps=best))
    for a, b in zip(learnt.embedding.parameters, at_best.embedding.parameters, strict=True):
        assert torch.equal(a, b)
    assert config.recipe()["steady"] and "averaged" in config.recipe()["optimiser"]
    assert "steady" not in LearnConfig().recipe() and "averaged" not in LearnConfig().recipe()["optimiser"]


def test_the_average_is_foreseen(denoiser, latents, text):
    plain, steady = (
        fit(denoiser, latents, text, LearnConfig(steps=1, memory="fast", steady=steady)) for steady in (False, True)
    )
    average = sum(parameter.nbytes for parameter in plain.embedding.parameters)
    assert steady.memory.predicted - plain.memory.predicted == average


def test_our_presets_are_steady_and_may_be_told_not_to():
    assert [name for name in PRESETS if LearnConfig.of(name).steady] == ["fast", "starter"]
    assert not LearnConfig.of("fast", steady=False).steady
