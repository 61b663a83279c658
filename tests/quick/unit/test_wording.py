"""Scores in words: a word never contradicts its number, and the picture of a report is given that very text."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import PROPERTY

from motion_core.metrics.comparison import MotionScores, compare_motion
from motion_core.metrics.fidelity import motion_fidelity, moving_share
from motion_core.metrics.wording import FIDELITY_WORDS, describe_fidelity, find_word, format_scores
from motion_core.tracking.tracks import Tracks


def describe(fidelity: float, reference: float = 1.0, result: float = 1.0) -> str:
    return describe_fidelity(MotionScores(fidelity, 2 * fidelity, 0.0, reference, result))


@pytest.mark.parametrize(
    "fidelity, text",
    [
        (1.0, "motion fidelity 1.00: the same motion"),
        (0.91, "motion fidelity 0.91: the same motion"),
        (0.896, "motion fidelity 0.90: the same motion"),
        (0.8, "motion fidelity 0.80: much the same motion"),
        (0.5, "motion fidelity 0.50: partly the same motion"),
        (0.3, "motion fidelity 0.30: little in common"),
        (0.0, "motion fidelity 0.00: nothing in common"),
        (-0.001, "motion fidelity 0.00: nothing in common"),
        (-0.4, "motion fidelity -0.40: partly the opposite motion"),
        (-1.0000001, "motion fidelity -1.00: the opposite motion"),
    ],
)
def test_a_number_has_a_word(fidelity, text):
    assert describe(fidelity) == text


def test_the_word_goes_by_what_a_clip_has_with_itself():
    assert describe(0.25, 0.25, 0.25) == "motion fidelity 0.25 of 0.25: the same motion"
    assert describe(0.55, 0.1, 1.0) == "motion fidelity 0.55: partly the same motion"  # all of one clip moves
    assert describe(0.9, 0.95, 0.95) == "motion fidelity 0.90: the same motion"


def test_clips_that_stand_still_are_said_to():
    assert describe(0.0, 0.0, 1.0) == "motion fidelity 0.00: the reference stands still"
    assert describe(0.0, 1.0, 0.01) == "motion fidelity 0.00: the result stands still"
    assert describe(0.0, 0.0, 0.0) == "motion fidelity 0.00: both stand still"


@PROPERTY
@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_higher_fidelity_has_no_lower_word(one, other):
    words = [word for _, word in FIDELITY_WORDS]
    lower, higher = (words.index(find_word(value)) for value in sorted((one, other)))
    assert higher <= lower


@PROPERTY
@given(st.integers(0, 2**31), st.integers(2, 6), st.floats(0, 1))
def test_the_text_says_what_was_measured(seed, frames, still):
    generator = torch.Generator().manual_seed(seed)
    first, second = (Tracks(torch.rand(5, frames, 2, generator=generator), 64, 64) for _ in range(2))
    scores = compare_motion(first, second, still)
    said = float(re.search(r"-?\d\.\d\d", describe_fidelity(scores)).group())
    assert said == pytest.approx(motion_fidelity(first.positions, second.positions, still).item(), abs=0.00501)
    assert abs(scores.fidelity) <= (scores.reference_moving + scores.result_moving) / 2 + 1e-6
    itself = motion_fidelity(first.positions, first.positions, still).item()
    assert itself == pytest.approx(moving_share(first.positions, still), abs=1e-6) == scores.reference_moving


def test_a_clip_that_stands_still_in_parts_has_the_same_motion_as_itself():
    steps = torch.arange(8.0)[None, :, None] * torch.tensor([[[2.0, 1.0]], *[[[0.0, 0.0]]] * 7])
    scores = compare_motion(*[Tracks(steps, 64, 64)] * 2)
    assert describe_fidelity(scores) == "motion fidelity 0.12 of 0.12: the same motion"


def test_scores_are_one_a_line():
    assert format_scores({"fidelity of result": 0.9911, "text similarity": 0.3}) == (
        "fidelity of result: 0.991\ntext similarity: 0.3"
    )
