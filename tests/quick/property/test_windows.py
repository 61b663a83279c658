"""The frame indices of any sliding context window."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
from properties import PROPERTY

from tests.quick.unit.host_files import import_host_file

windows = import_host_file("windows")


@st.composite
def contexts(draw):
    length = draw(st.integers(1, 64))
    frames = draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=length, unique=True))
    anchor = draw(st.none() | st.integers(-1, length - 1))
    return SimpleNamespace(index_list=frames, total_frames=length, causal_anchor_index=anchor)


@PROPERTY
@given(contexts())
def test_a_window_ends_with_its_own_frames(context):
    window = windows.find_window({"context_window": context})
    count = len(context.index_list)
    assert window.frames[-count:] == tuple(context.index_list) and window.length == context.total_frames
    assert all(0 <= frame < window.length for frame in window.frames)


@PROPERTY
@given(contexts())
def test_a_repeated_window_numbers_its_own_frames_from_zero(context):
    options = {"context_window": context}
    window, repeated = windows.find_window(options), windows.find_repeated_window(options)
    if context.causal_anchor_index in (None, -1):
        assert repeated is None and len(window.frames) == len(context.index_list)
    else:
        assert repeated.frames[1:] == tuple(range(len(context.index_list))) and repeated.frames[0] == 0
        assert len(repeated.frames) == len(window.frames)
