"""Which frames of a clip a forward sees, from what hosts pass about their context windows."""

from types import SimpleNamespace

import pytest

from tests.quick.unit.host_files import import_host_file


@pytest.fixture
def windows():
    return import_host_file("windows")


def slid(frames, length=32, **more):
    return {"context_window": SimpleNamespace(index_list=list(frames), total_frames=length, **more)}


def describe(window):
    return None if window is None else (window.frames, window.length)


def test_a_window_is_its_frames_of_the_whole_clip(windows):
    assert describe(windows.find_window(slid(range(4, 8)))) == ((4, 5, 6, 7), 32)
    assert windows.find_repeated_window(slid(range(4, 8))) is None


@pytest.mark.parametrize("anchor", [3, 0])
def test_an_anchor_has_its_place_in_the_clip_and_the_first_frame_of_a_repeated_motion(windows, anchor):
    anchored = slid(range(4, 8), causal_anchor_index=anchor)
    assert describe(windows.find_window(anchored)) == ((anchor, 4, 5, 6, 7), 32)
    assert describe(windows.find_repeated_window(anchored)) == ((0, 0, 1, 2, 3), 4)


@pytest.mark.parametrize("more", [{"causal_anchor_index": None}, {"causal_anchor_index": -1}, {}])
def test_a_window_without_an_anchor_is_left_as_it_is(windows, more):
    assert describe(windows.find_window(slid(range(4), **more))) == ((0, 1, 2, 3), 32)
    assert windows.find_repeated_window(slid(range(4), **more)) is None


def test_no_window_is_none(windows):
    assert windows.find_window({}) is None and windows.find_repeated_window({}) is None


def test_animatediff_evolved_gives_its_own_windows(windows):
    options = {"ad_params": {"sub_idxs": [2, 3], "full_length": 8}, **slid(range(4), causal_anchor_index=9)}
    assert describe(windows.find_window(options)) == ((2, 3), 8) and windows.find_repeated_window(options) is None
