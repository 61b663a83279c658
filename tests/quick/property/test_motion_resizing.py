"""Resizing a motion embedding to another length and grid."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import PROPERTY

from motion_core.motions.embedding import MotionEmbedding
from tests.conftest import seeded

BLOCK = "down_blocks.0.temp_attentions.0.transformer_blocks.0"
lengths, grids, seeds = st.integers(1, 12), st.tuples(st.integers(1, 5), st.integers(1, 5)), st.integers(0, 10**6)


def build(frames, grid, seed):
    v = seeded(grid[0] * grid[1], frames, 3, seed=seed)
    return MotionEmbedding("zeroscope", {BLOCK: seeded(1, frames, 3, seed=seed + 1)}, {BLOCK: v}, {BLOCK: grid})


motions = st.builds(build, lengths, grids, seeds)


@PROPERTY
@given(motions)
def test_resizing_to_its_own_size_changes_nothing(motion):
    same = motion.resized(motion.frames, motion.grids[BLOCK])
    assert torch.equal(same.qk[BLOCK], motion.qk[BLOCK]) and torch.equal(same.v[BLOCK], motion.v[BLOCK])


@PROPERTY
@given(motions, lengths, grids, st.floats(-4, 4, width=32))
def test_a_constant_motion_stays_constant(motion, frames, grid, value):
    resized = motion.map(lambda t: torch.full_like(t, value)).resized(frames, grid)
    assert resized.qk[BLOCK].shape == (1, frames, 3) and resized.v[BLOCK].shape == (grid[0] * grid[1], frames, 3)
    for tensor in (resized.qk[BLOCK], resized.v[BLOCK]):
        torch.testing.assert_close(tensor, torch.full_like(tensor, value))


@PROPERTY
@given(motions, lengths, grids, lengths, grids)
def test_resizing_twice_stays_within_the_range_of_the_values(motion, frames, grid, frames_again, grid_again):
    twice = motion.resized(frames, grid).resized(frames_again, grid_again)
    for before, after in ((motion.qk[BLOCK], twice.qk[BLOCK]), (motion.v[BLOCK], twice.v[BLOCK])):
        assert after.min() >= before.min() - 1e-5 and after.max() <= before.max() + 1e-5


@PROPERTY
@given(motions, lengths, grids)
def test_debiasing_follows_resizing(motion, frames, grid):
    first = motion.resized(frames, grid).debiased("difference")
    torch.testing.assert_close(motion.debiased("difference").resized(frames, grid).v[BLOCK], first.v[BLOCK])
