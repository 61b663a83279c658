"""The schedule of flow matching for any noise level, and its values by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import PROPERTY

from motion_core.diffusion.flow_schedule import FlowSchedule
from motion_core.diffusion.objectives import frame_residual_l2
from motion_core.errors import OptionError
from tests.conftest import seeded

SCHEDULE = FlowSchedule(shift=5.0)
sigmas, seeds = st.floats(0, 1), st.integers(0, 10**6)


def draw_pair(seed):
    return seeded(2, 3, 4, seed=seed).double(), seeded(2, 3, 4, seed=seed + 1).double()


@PROPERTY
@given(seeds, sigmas)
def test_predicting_the_clean_sample_inverts_adding_noise(seed, sigma):
    x0, eps = draw_pair(seed)
    z = SCHEDULE.add_noise(x0, eps, sigma)
    torch.testing.assert_close(SCHEDULE.predict_x0(z, SCHEDULE.target(x0, eps), sigma), x0)


@PROPERTY
@given(seeds, sigmas, sigmas)
def test_a_step_leads_to_what_adding_the_same_noise_gives(seed, sigma, other):
    x0, eps = draw_pair(seed)
    stepped = SCHEDULE.step(SCHEDULE.add_noise(x0, eps, sigma), SCHEDULE.target(x0, eps), sigma, other)
    torch.testing.assert_close(stepped, SCHEDULE.add_noise(x0, eps, other))


@PROPERTY
@given(st.integers(1, 1000), st.floats(0.1, 12))
def test_levels_fall_from_noise_and_stay_above_the_clean_sample(count, shift):
    levels = FlowSchedule(shift).levels(count)
    assert len(levels) == count and levels == sorted(set(levels), reverse=True)
    assert levels[0] == pytest.approx(1) and levels[-1] > 0


@PROPERTY
@given(seeds, st.floats(0.01, 1))
def test_an_error_of_the_velocity_is_one_of_the_clean_sample_times_sigma(seed, sigma):
    pred, target, z = (seeded(1, 2, 3, 2, 2, seed=seed + number).double() for number in range(3))
    level = torch.tensor([sigma], dtype=torch.float64)
    clean = [SCHEDULE.predict_x0(z, velocity, level) for velocity in (pred, target)]
    weighted = frame_residual_l2(pred, target, SCHEDULE.error_alpha_bar(level))
    torch.testing.assert_close(weighted, frame_residual_l2(*clean, alpha_bar=0.5))


def test_values_by_hand():
    x0, eps = torch.tensor([[2.0]]), torch.tensor([[-2.0]])
    assert SCHEDULE.add_noise(x0, eps, 0.25).item() == 1.0 and SCHEDULE.target(x0, eps).item() == -4.0
    assert SCHEDULE.step(torch.tensor([[1.0]]), torch.tensor([[-4.0]]), 0.25, 0.5).item() == 0.0
    assert SCHEDULE.levels(2) == pytest.approx([1.0, 2.5 / 3])  # 5 * 0.5 / (1 + 4 * 0.5)
    assert FlowSchedule().levels(4) == pytest.approx([1.0, 0.75, 0.5, 0.25])
    assert SCHEDULE.level_at(torch.tensor([0, 999])).tolist() == pytest.approx([0.005 / 1.004, 1.0])


@pytest.mark.parametrize("shift", [0.0, -1.0, float("inf"), float("nan")])
def test_a_shift_that_is_no_number_above_0_is_refused(shift):
    with pytest.raises(OptionError, match="shift is"):
        FlowSchedule(shift)


@pytest.mark.parametrize("count", [0, 1001])
def test_a_number_of_steps_out_of_range_is_refused(count):
    with pytest.raises(OptionError, match="steps is"):
        SCHEDULE.levels(count)
