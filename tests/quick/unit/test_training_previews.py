"""Previews of a motion while it is trained."""

import pytest
import torch

from motion_core.errors import OptionError
from motion_core.hooks.applied import AppliedMotion
from motion_core.sampling.sample import sample
from motion_core.training.early_stop import AppearanceStop, StopSettings
from motion_core.training.observer import Observers
from motion_core.training.previews import Previews
from motion_core.training.train import train
from tests.conftest import count_hooks
from tests.training_cases import assert_equal_motions, one_clip, short_recipe


@pytest.mark.parametrize("name", ["motion_inversion", "vmc", "motion_director"])
def test_previews_change_nothing_that_is_learnt(name, denoiser, latents, noise, text):
    recipe, shown, modes = short_recipe(name, steps=5), {}, []

    def show(motion, step):
        shown[step] = sample(denoiser, noise, [text[0]], motions=[AppliedMotion.of(motion)], steps=2)

    before, state = count_hooks(denoiser.module), torch.get_rng_state()
    previewed = train(
        denoiser, one_clip(latents, text), recipe, seed=3, observer=Previews(2, show), on_begin=modes.append
    )
    assert torch.equal(torch.get_rng_state(), state) and count_hooks(denoiser.module) == before
    plain = train(denoiser, one_clip(latents, text), recipe, seed=3)
    assert previewed.losses == plain.losses and previewed.motion.origin == plain.motion.origin
    assert_equal_motions(previewed.motion, plain.motion)
    assert list(shown) == [2, 4, 5] and modes == ["fast"]
    last = sample(denoiser, noise, [text[0]], motions=[AppliedMotion.of(plain.motion)], steps=2)
    torch.testing.assert_close(shown[5], last, rtol=0, atol=1e-5)
    assert not torch.equal(shown[2], shown[5])


def test_previews_and_an_early_stop_observe_together(denoiser, latents, text):
    recipe, shown, scores = short_recipe("vmc", steps=5), [], iter([0.5, 0.1])
    stop = AppearanceStop(StopSettings(every=2, floor=0.3), lambda motion: next(scores))
    both = Observers([Previews(1, lambda motion, step: shown.append(step)), stop])
    trained = train(denoiser, one_clip(latents, text), recipe, observer=both)
    assert shown == [1, 2, 3, 4] and stop.kept_step == 2
    assert_equal_motions(trained.motion, stop.kept)
    assert trained.motion.origin.recipe["kept_step"] == 2


def test_previews_need_a_step_between_them():
    with pytest.raises(OptionError, match="every is 0"):
        Previews(0, lambda motion, step: None)
