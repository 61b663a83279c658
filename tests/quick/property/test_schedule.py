"""The noise schedule for any timestep: adding noise and the deterministic step have exact inverses."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import PROPERTY

from motion_core.diffusion.schedule import NoiseSchedule
from tests.conftest import seeded

SCHEDULE = NoiseSchedule.scaled_linear()
timesteps, seeds = st.integers(0, 999), st.integers(0, 10**6)


def draw_pair(seed):
    return seeded(2, 3, 4, seed=seed).double(), seeded(2, 3, 4, seed=seed + 1).double()


@PROPERTY
@given(seeds, timesteps)
def test_predicting_the_clean_sample_inverts_adding_noise(seed, t):
    x0, eps = draw_pair(seed)
    torch.testing.assert_close(SCHEDULE.predict_x0(SCHEDULE.add_noise(x0, eps, t), eps, t), x0)


@PROPERTY
@given(seeds, timesteps, timesteps)
def test_a_step_there_and_back_returns_to_the_start(seed, t, other):
    z, eps = draw_pair(seed)
    torch.testing.assert_close(SCHEDULE.step(SCHEDULE.step(z, eps, t, other), eps, other, t), z)


@PROPERTY
@given(seeds, timesteps, timesteps)
def test_a_step_leads_to_what_adding_the_same_noise_gives(seed, t, other):
    x0, eps = draw_pair(seed)
    stepped = SCHEDULE.step(SCHEDULE.add_noise(x0, eps, t), eps, t, other)
    torch.testing.assert_close(stepped, SCHEDULE.add_noise(x0, eps, other))


@PROPERTY
@given(st.integers(1, 999))
def test_sampling_timesteps_fall_and_stay_within_the_schedule(count):
    steps = SCHEDULE.levels(count)
    assert len(steps) == count and steps == sorted(set(steps), reverse=True)
    assert steps[-1] >= 1 and steps[0] < SCHEDULE.steps
