"""Properties of frame selection: number, range and order of the frames, and the constant rate."""

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from properties import PROPERTY

from motion_core.errors import VideoError
from motion_core.video.containers.timing import Timeline, build_timeline, repeat_frames
from motion_core.video.frames.options import ClipOptions
from motion_core.video.frames.selection import MAX_FRAMES_BY_DEFAULT, select_frames
from motion_core.video.reading import take_frames

CLIP = Path("clip.mp4")
OPTIONS = st.builds(
    ClipOptions,
    frames=st.none() | st.integers(2, 30),
    start=st.integers(0, 12),
    every=st.integers(1, 6),
)


def select(total: int, options: ClipOptions) -> list[int]:
    """The numbers of the selected frames. A frame of the source is its own number."""
    selected = list(select_frames(range(total), options, CLIP))
    assert all(number == frame for number, frame in selected)
    return [number for number, _ in selected]


def is_long_enough(total: int, options: ClipOptions) -> bool:
    needed = options.frames or 2
    return total > options.start + (needed - 1) * options.every


@PROPERTY
@given(st.integers(2, 120), OPTIONS)
def test_selected_frames_are_in_range_and_evenly_spaced(total, options):
    assume(is_long_enough(total, options))
    numbers = select(total, options)
    assert numbers[0] == options.start and numbers[-1] < total
    assert {after - before for before, after in zip(numbers, numbers[1:], strict=False)} == {options.every}


@PROPERTY
@given(st.integers(2, 120), OPTIONS)
def test_as_many_frames_are_selected_as_asked_for_or_as_there_are(total, options):
    assume(is_long_enough(total, options))
    numbers = select(total, options)
    if options.frames:
        assert len(numbers) == options.frames
    else:
        assert numbers[-1] + options.every >= total  # no further frame would fit


@PROPERTY
@given(st.integers(0, 120), OPTIONS)
def test_too_short_clips_are_refused(total, options):
    assume(not is_long_enough(total, options))
    with pytest.raises(VideoError, match="clip.mp4"):
        select(total, options)


@PROPERTY
@given(OPTIONS.filter(lambda options: options.frames))
def test_nothing_is_read_after_the_last_selected_frame(options):
    read = []
    source = (read.append(number) or number for number in range(1000))
    numbers = [number for number, _ in select_frames(source, options, CLIP)]
    assert read == list(range(numbers[-1] + 1))


def test_more_frames_than_the_limit_are_refused_unless_asked_for():
    assert len(select(MAX_FRAMES_BY_DEFAULT, ClipOptions())) == MAX_FRAMES_BY_DEFAULT
    with pytest.raises(VideoError, match=f"more than {MAX_FRAMES_BY_DEFAULT} frames"):
        select(MAX_FRAMES_BY_DEFAULT + 1, ClipOptions())
    assert len(select(300, ClipOptions(frames=300))) == 300


@PROPERTY
@given(st.integers(2, 40), OPTIONS)
def test_a_reversed_clip_is_the_flip_of_the_clip(total, options):
    assume(is_long_enough(total, options))
    frames = (torch.arange(total) / 255).view(-1, 1, 1, 1).expand(-1, 8, 8, 3)
    forwards = take_frames(frames, 24.0, options)
    backwards = take_frames(frames, 24.0, ClipOptions(options.frames, options.start, options.every, reversed=True))
    assert torch.equal(backwards.frames, forwards.frames.flip(0)) and backwards.fps == forwards.fps
    assert (forwards.frames[1:] > forwards.frames[:-1]).all()


DELAYS = st.lists(st.integers(0, 60).map(lambda hundredths: Fraction(hundredths, 100)), min_size=2, max_size=30)


@PROPERTY
@given(DELAYS)
def test_a_constant_rate_keeps_the_number_and_the_order_of_frames(delays):
    timeline = build_timeline(delays)
    repeats = timeline.count_repeats()
    assert len(repeats) == len(delays) and min(repeats) >= 0 and sum(repeats) == len(delays)
    shown = list(repeat_frames(enumerate(range(len(delays))), repeats))
    assert shown == sorted(shown) and len(shown) == len(delays)


@PROPERTY
@given(DELAYS)
def test_each_frame_of_the_constant_rate_is_the_one_shown_at_the_middle_of_its_interval(delays):
    timeline = build_timeline(delays)
    shown = list(repeat_frames(enumerate(range(len(delays))), timeline.count_repeats()))
    step = timeline.length / len(delays)
    ends = [*timeline.starts[1:], timeline.length]
    for index, number in enumerate(shown):
        middle = (index + Fraction(1, 2)) * step
        assert timeline.starts[number] - Fraction(1, 10**9) <= middle <= ends[number] + Fraction(1, 10**9)


@PROPERTY
@given(st.integers(2, 40), st.fractions(1, 120, max_denominator=1001), st.sampled_from([24, 90, 1000, 90000]))
def test_a_constant_rate_stays_as_it_is_though_its_times_are_rounded_to_ticks(count, fps, ticks):
    assume(ticks >= 2 * fps)
    starts = [Fraction(round(number / fps * ticks), ticks) for number in range(count)]
    timeline = Timeline(starts, 1 / fps, fps, Fraction(1, ticks))
    assert timeline.is_constant and timeline.count_repeats() == [1] * count
    assert timeline.fps == pytest.approx(float(fps))
