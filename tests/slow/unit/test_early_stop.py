"""When training ends because of its previews, what is kept, and that previews change nothing."""

import pytest
import torch

from motion_core.errors import OptionError
from motion_core.hooks.applied import AppliedMotion
from motion_core.sampling.sample import sample
from motion_core.training.early_stop import AppearanceStop, StopSettings
from motion_core.training.observer import Snapshot
from motion_core.training.train import train
from tests.conftest import count_hooks
from tests.training_cases import RECIPE_NAMES, assert_equal_motions, short_recipe, with_still


@pytest.fixture
def references(latents, text):
    return with_still(latents, text)


def observe_all(settings, scores):
    """Observes once a step until it ends or no score is left; numbers stand in for motions."""
    given = iter(scores)
    stop = AppearanceStop(settings, lambda motion: next(given))
    for step in range(1, len(scores) + 1):
        if stop.observe(Snapshot(step, step, None)):
            break
    return stop


@pytest.mark.parametrize(
    "config, scores, kept, previews",
    [
        ({}, [0.2, 0.3, 0.1], 2, 3),  # the best
        ({"floor": 0.2}, [0.4, 0.3, 0.25, 0.1, 0.5], 3, 4),  # the last above the floor; below it training ends
        ({"floor": 0.2}, [0.1, 0.5], 1, 1),  # none was above it
        ({"floor": 0.2}, [0.2, 0.3], 2, 2),
        ({"patience": 2}, [0.2, 0.3, 0.1, 0.2, 0.9], 2, 4),
        ({"patience": 1}, [0.3, 0.3, 0.9], 1, 2),  # as good is not better
        ({"patience": 1, "floor": 0.1}, [0.3, 0.2, 0.9], 2, 2),
        ({"floor": 0.0}, [0.1, -0.1, 0.3], 1, 2),
    ],
)
def test_previews_decide_when_training_ends_and_what_is_kept(config, scores, kept, previews):
    stop = observe_all(StopSettings(**config), scores)
    assert (stop.kept, stop.kept_step, list(stop.scores)) == (kept, kept, list(range(1, previews + 1)))


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(OptionError, match="score of the preview at step 1 is nan"):
        observe_all(StopSettings(), [float("nan")])


def test_a_preview_is_made_after_the_last_step():
    stop = AppearanceStop(StopSettings(every=4), lambda motion: 0.0)
    assert [step for step in range(1, 11) if stop.is_due(step, 10)] == [4, 8, 10]


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_previews_change_nothing_and_the_kept_motion_is_as_if_trained_alone(name, denoiser, references, latents, text):
    """Previews go through the very model that is trained on, with the very motion."""
    recipe = short_recipe(name, steps=3, memory="balanced")
    hooks = count_hooks(denoiser.module)
    previews = []

    def make_preview(*motions):
        return sample(denoiser, latents, text, text[0] * 0, motions=motions, steps=2, scale=3.0)

    def score(motion):
        previews.append(make_preview(AppliedMotion.of(motion)))
        return 1.0 - 0.4 * len(previews)  # 0.6, 0.2

    random_state = torch.random.get_rng_state()
    stop = AppearanceStop(StopSettings(every=1, floor=0.5), score)
    stopped = train(denoiser, references, recipe, observer=stop)
    assert torch.equal(torch.random.get_rng_state(), random_state) and count_hooks(denoiser.module) == hooks
    record = stopped.motion.origin.recipe
    assert len(stopped.losses) == 2 and record["kept_step"] == 1
    assert record["appearance_scores"] == {"1": 0.6, "2": 0.2}
    alone = train(denoiser, references, recipe.changed(steps=1))
    twice = train(denoiser, references, recipe.changed(steps=2))
    assert stopped.losses == twice.losses
    assert_equal_motions(stopped.motion, alone.motion)
    assert not any(parameter.requires_grad for parameter in stopped.motion.parameters)
    applied, plain = make_preview(AppliedMotion.of(alone.motion)), make_preview()
    torch.testing.assert_close(previews[0], applied)  # on a frozen model torch may choose other kernels
    assert (applied - plain).abs().mean() > 100 * (applied - previews[0]).abs().mean()
    assert not previews[0].requires_grad


@pytest.mark.parametrize("name", ["motion_inversion", "vmc"])
def test_an_error_in_a_preview_leaves_the_model_as_before(name, denoiser, references):
    hooks = count_hooks(denoiser.module)

    def score(motion):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(denoiser, references, short_recipe(name), observer=AppearanceStop(StopSettings(every=1), score))
    assert count_hooks(denoiser.module) == hooks


@pytest.mark.parametrize("name", ["motion_inversion", "vmc"])
def test_a_person_may_end_training_before_the_first_preview(name, denoiser, references):
    stop = AppearanceStop(StopSettings(every=2), lambda motion: 0.0)
    recipe = short_recipe(name, steps=4)
    ended = train(denoiser, references, recipe, callback=lambda step, loss: True, observer=stop)
    assert len(ended.losses) == 1 and not stop.scores and "kept_step" not in ended.motion.origin.recipe
    assert_equal_motions(ended.motion, train(denoiser, references, recipe.changed(steps=1)).motion)


@pytest.mark.parametrize("change", [{"every": 0}, {"floor": 1.5}, {"floor": float("nan")}, {"patience": -1}])
def test_numbers_out_of_range_are_refused(change):
    with pytest.raises(OptionError, match=next(iter(change))):
        StopSettings(**change)
