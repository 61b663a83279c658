"""When learning ends for the looks' sake, what is kept of it, and that looking changes nothing."""

from dataclasses import replace

import pytest
import torch
from motion_core.training.adapter_learning import fit_adapter

from motion_core.errors import OptionError
from motion_core.recipes.catalogue import RECIPES
from motion_core.sampling.sample import AppliedAdapter, sample
from motion_core.training.early_stop import AppearanceStop, StopSettings
from tests.conftest import count_hooks
from tests.slow.unit.test_recipes import references as references
from tests.slow.unit.test_recipes import short


def follow(config, scores):
    """Look once a step until it ends or there is nothing left; adapters are stood in for by their steps."""
    given = iter(scores)
    stop = AppearanceStop(config, lambda adapter: next(given))
    for step in range(1, len(scores) + 1):
        if stop.look(step, step):
            break
    return stop


@pytest.mark.parametrize(
    "config, scores, kept, looks",
    [
        ({}, [0.2, 0.3, 0.1], 2, 3),  # the best
        ({"floor": 0.2}, [0.4, 0.3, 0.25, 0.1, 0.5], 3, 4),  # the last that held the floor, and the end below it
        ({"floor": 0.2}, [0.1, 0.5], 1, 1),  # none held it
        ({"floor": 0.2}, [0.2, 0.3], 2, 2),
        ({"patience": 2}, [0.2, 0.3, 0.1, 0.2, 0.9], 2, 4),
        ({"patience": 1}, [0.3, 0.3, 0.9], 1, 2),  # as good is not better
        ({"patience": 1, "floor": 0.1}, [0.3, 0.2, 0.9], 2, 2),
        ({"floor": 0.0}, [0.1, -0.1, 0.3], 1, 2),
    ],
)
def test_when_it_ends_and_what_is_kept(config, scores, kept, looks):
    stop = follow(StopSettings(**config), scores)
    assert (stop.kept, stop.kept_step, list(stop.scores)) == (kept, kept, list(range(1, looks + 1)))


def test_a_score_that_is_no_number_ends_it():
    with pytest.raises(OptionError, match="score of the preview at step 1 is nan"):
        follow(StopSettings(), [float("nan")])


def test_the_last_step_is_always_looked_at():
    stop = AppearanceStop(StopSettings(every=4), lambda adapter: 0.0)
    assert [step for step in range(1, 11) if stop.is_due(step, 10)] == [4, 8, 10]


@pytest.mark.parametrize("name", RECIPES)
def test_looking_changes_nothing_and_the_kept_one_is_as_if_learnt_alone(name, denoiser, references, latents, text):
    """Previews go through the very model that learns, with the very adapter."""
    recipe = short(name, steps=3, memory="balanced")
    hooks = count_hooks(denoiser.module)
    previews = []

    def score(adapter):
        previews.append(sample(denoiser, latents, text, text * 0, [AppliedAdapter(adapter)], steps=2, guidance=3.0))
        return 1.0 - 0.4 * len(previews)  # 0.6, 0.2

    random_state = torch.random.get_rng_state()
    stopped = fit_adapter(denoiser, references, recipe, stop=AppearanceStop(StopSettings(every=1, floor=0.5), score))
    assert torch.equal(torch.random.get_rng_state(), random_state) and count_hooks(denoiser.module) == hooks
    assert len(stopped.losses) == 2 and stopped.looks["kept_step"] == 1
    assert stopped.looks["appearance_scores"] == {"1": 0.6, "2": 0.2}
    alone = fit_adapter(denoiser, references, replace(recipe, descent=replace(recipe.descent, steps=1)))
    twice = fit_adapter(denoiser, references, replace(recipe, descent=replace(recipe.descent, steps=2)))
    assert stopped.losses == twice.losses
    for ours, theirs in zip(stopped.adapter.parameters, alone.adapter.parameters, strict=True):
        assert torch.equal(ours, theirs) and not ours.requires_grad
    felt, plain = (
        sample(denoiser, latents, text, text * 0, motions, steps=2, guidance=3.0)
        for motions in ([AppliedAdapter(alone.adapter)], [])
    )
    torch.testing.assert_close(previews[0], felt)  # frozen, the model may take other kernels
    assert (felt - plain).abs().mean() > 100 * (felt - previews[0]).abs().mean() and not previews[0].requires_grad


def test_what_fails_in_a_preview_leaves_the_model_alone(denoiser, references):
    hooks = count_hooks(denoiser.module)

    def score(adapter):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_adapter(denoiser, references, short("vmc"), stop=AppearanceStop(StopSettings(every=1), score))
    assert count_hooks(denoiser.module) == hooks


def test_a_person_may_end_it_before_the_first_look(denoiser, references):
    stop = AppearanceStop(StopSettings(every=2), lambda adapter: 0.0)
    learnt = fit_adapter(denoiser, references, short("vmc", steps=4), callback=lambda step, loss: True, stop=stop)
    assert len(learnt.losses) == 1 and not learnt.looks and not stop.scores


@pytest.mark.parametrize("change", [{"every": 0}, {"floor": 1.5}, {"floor": float("nan")}, {"patience": -1}])
def test_a_number_out_of_range(change):
    with pytest.raises(OptionError, match=next(iter(change))):
        StopSettings(**change)
