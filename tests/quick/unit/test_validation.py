from dataclasses import replace

import pytest
import torch
from motion_core.recipes.learn_config import LearnConfig
from motion_core.recipes.presets import PRESETS

from motion_core.training import validation
from motion_core.training.train import fit
from motion_core.training.validation import Validation

CONFIG = LearnConfig(steps=4, memory="fast", seed=3, early_stop=True)


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(validation, "EVERY", 2)
    monkeypatch.setattr(validation, "DRAWS", 2)


def watch(losses, parameters=()):
    given = iter(losses)
    return Validation([None], lambda _: torch.tensor(next(given)), parameters)


def test_it_ends_when_nothing_falls_any_more():
    looking = watch([1.0, 0.9, 0.95, 0.8, 0.81, 0.7999, 0.1])
    ended = [looking.look(step) for step in range(2, 14, 2)]
    assert ended == [False] * 5 + [True]  # two looks in a row, and a thousandth is no fall
    assert [step for step, _ in looking.losses] == [2, 4, 6, 8, 10, 12]


def test_the_best_comes_back():
    parameter = torch.zeros(2, requires_grad=True)
    looking = watch([1.0, 0.5, 0.7, 0.6], [parameter])
    for number in range(1, 5):
        with torch.no_grad():
            parameter.fill_(number)
        looking.look(validation.EVERY * number)
    looking.bring_back_best()
    assert parameter.tolist() == [2.0, 2.0] and parameter.requires_grad


def test_looking_changes_nothing_that_is_learnt(denoiser, latents, text, often):
    told = []
    watched = fit(denoiser, latents, text, CONFIG, validated=lambda *look: told.append(look))
    plain = fit(denoiser, latents, text, replace(CONFIG, early_stop=False, steps=len(watched.losses)))
    assert watched.losses == plain.losses and not plain.validation
    assert told == watched.validation and [step for step, _ in told] == [2, 4]


def test_what_is_kept_is_what_had_the_lowest_loss(denoiser, latents, text, often):
    """A rate so high that it gets worse, and ends before its steps do."""
    wild = replace(CONFIG, learning_rate=10.0, steps=20)
    learnt = fit(denoiser, latents, text, wild)
    assert len(learnt.losses) < 20
    best = min(learnt.validation, key=lambda look: look[1])[0]
    at_best = fit(denoiser, latents, text, replace(wild, early_stop=False, steps=best))
    for a, b in zip(learnt.embedding.parameters, at_best.embedding.parameters, strict=True):
        assert torch.equal(a, b)


def test_it_looks_at_the_same_draws_whatever_is_learnt_from(denoiser, latents, text, often):
    """With a pool too, whose kept outputs belong to other clips."""
    tiny = replace(CONFIG, learning_rate=1e-8)
    looks = [fit(denoiser, latents, text, replace(tiny, pool=pool)).validation for pool in (0, 2)]
    assert [loss for _, loss in looks[0]] == pytest.approx([loss for _, loss in looks[1]], rel=1e-5)
    assert len({round(loss, 5) for _, loss in looks[0]}) == 1


def test_no_preset_ends_early_unasked():
    """As that costs some of the motion, see the README."""
    assert not any(LearnConfig.of(name).early_stop for name in PRESETS)
    assert LearnConfig.of("fast", early_stop=True).early_stop
