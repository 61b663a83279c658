import pytest
import torch

from motion_core.diffusion.noise_samples import NoiseSampler
from motion_core.diffusion.timesteps import Uniform
from motion_core.training.train import train
from motion_core.training.validation import Validation
from tests.training_cases import assert_equal_motions, one_clip, short_recipe

EACH = pytest.mark.parametrize("name", ["motion_inversion", "vmc", "motion_director"])


@pytest.fixture(scope="module")
def samples(latents):
    generator = torch.Generator().manual_seed(11)
    return NoiseSampler(Uniform(0, 1000), [latents.shape], generator).draw_stratified(2)


@EACH
def test_validating_changes_nothing_that_is_learnt(name, denoiser, latents, text, samples):
    recipe = short_recipe(name, steps=5)
    validation = Validation(samples, every=2)
    observed = train(denoiser, one_clip(latents, text), recipe, seed=3, observer=validation)
    plain = train(denoiser, one_clip(latents, text), recipe, seed=3)
    assert observed.losses == plain.losses
    assert_equal_motions(observed.motion, plain.motion)
    assert observed.motion.origin == plain.motion.origin
    assert [step for step, _ in validation.losses] == [2, 4, 5]


def test_the_loss_is_the_mean_over_the_samples_under_the_motion(denoiser, latents, text, samples):
    """Checked against the model itself: at a tiny rate the motion is nearly zero."""
    validation = Validation(samples, every=1)
    recipe = short_recipe("motion_inversion", learning_rate=1e-7, steps=2)
    train(denoiser, one_clip(latents, text), recipe, observer=validation)
    with torch.no_grad():
        expected = 0.0
        for sample in samples:
            z = denoiser.schedule.add_noise(latents, sample.eps, sample.t)
            expected += (denoiser.predict(z, sample.t, text) - sample.eps).square().mean().item() / len(samples)
    assert [loss for _, loss in validation.losses] == pytest.approx([expected, expected], rel=1e-4)


def test_the_loss_falls_while_a_motion_is_trained(denoiser, latents, text, samples):
    validation = Validation(samples, every=15)
    recipe = short_recipe("motion_inversion", sites="all", learning_rate=0.02, steps=30)
    train(denoiser, one_clip(latents, text), recipe, observer=validation)
    (_, first), (_, last) = validation.losses
    assert last < first


def test_training_again_forgets_the_losses_of_before(denoiser, latents, text, samples):
    validation, recipe = Validation(samples, every=1), short_recipe("motion_inversion", steps=1)
    first, second = [], []
    for losses in (first, second):
        train(denoiser, one_clip(latents, text), recipe, observer=validation)
        losses.extend(validation.losses)
    assert first == second and len(first) == 1
