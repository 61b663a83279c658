"""Debiasing (Motion Inversion, eq. 5) for value embeddings of any size."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import PROPERTY

from motion_core.motions.debias import debias, frame_difference, subtract_mean, undo_difference
from tests.conftest import seeded

values = st.builds(
    lambda places, frames, channels, seed: seeded(places, frames, channels, seed=seed).double(),
    st.integers(1, 6), st.integers(1, 12), st.integers(1, 4), st.integers(0, 10**6),
)  # fmt: skip
modes = st.sampled_from(["difference", "mean"])


@PROPERTY
@given(values)
def test_a_running_sum_undoes_the_difference(v):
    torch.testing.assert_close(undo_difference(frame_difference(v)), v)
    torch.testing.assert_close(frame_difference(undo_difference(v)), v)


@PROPERTY
@given(values)
def test_a_constant_value_becomes_zero_after_the_first_frame(v):
    constant = v[:, :1].expand_as(v)
    difference = frame_difference(constant)
    assert torch.equal(difference[:, :1], v[:, :1]) and not difference[:, 1:].any()


@PROPERTY
@given(values)
def test_without_its_mean_a_value_has_a_mean_of_zero(v):
    mean = subtract_mean(v).mean(dim=1)
    torch.testing.assert_close(mean, torch.zeros_like(mean))


@PROPERTY
@given(values, modes, st.floats(-8, 8))
def test_debiasing_commutes_with_scaling(v, mode, scale):
    torch.testing.assert_close(debias(scale * v, mode), scale * debias(v, mode))


@PROPERTY
@given(values, modes, st.floats(-8, 8))
def test_an_offset_of_all_frames_reaches_the_first_frame_at_most(v, mode, offset):
    torch.testing.assert_close(debias(v + offset, mode)[:, 1:], debias(v, mode)[:, 1:])
