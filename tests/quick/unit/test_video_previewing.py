"""A preview of a selection says and shows what reading it would, in a smaller size and in little work."""

import pytest

from motion_core.errors import VideoError
from motion_core.starter.folder import CLIP_FOLDER
from motion_core.video import previewing
from motion_core.video.frames.options import ClipOptions
from motion_core.video.previewing import preview_selection, reduce_size
from motion_core.video.reading import read_clip
from motion_core.video.writing import write_clip
from tests.conftest import seeded

LONG = CLIP_FOLDER / "figure_eight_long.mp4"
OPTIONS = ClipOptions(5, 2, 2, 64, 48)


@pytest.fixture(params=[".mp4", ".gif"])
def clip(request, tmp_path):
    path = tmp_path / f"clip{request.param}"
    write_clip(path, seeded(20, 40, 56, 3).sigmoid(), 10.0)
    return path


def test_small_selections_are_shown_as_they_are(clip):
    preview, read = preview_selection(clip, OPTIONS), read_clip(clip, OPTIONS)
    assert preview.clip.frames.equal(read.frames)
    assert (preview.total, preview.frames, preview.fps) == (20, 5, read.fps)


def test_large_and_long_ones_are_reduced_and_take_as_long(clip, monkeypatch):
    monkeypatch.setattr(previewing, "MOST_SHOWN", 4)
    options = ClipOptions(18, 1, 1, 832, 480)
    preview, read = preview_selection(clip, options), read_clip(clip, options)
    shown = preview.clip
    assert shown.frames.shape == (4, 144, 256, 3)
    assert preview.fps == read.fps and preview.frames == 18
    assert len(shown.frames) / shown.fps == pytest.approx(len(read.frames) / read.fps, rel=0.15)


@pytest.mark.parametrize("options", [ClipOptions(21, 0, 1, 64, 48), ClipOptions(3, 19, 1, 64, 48)])
@pytest.mark.parametrize("most", [previewing.MOST_DECODED, 5])
def test_options_that_do_not_fit_raise_what_reading_raises(clip, options, most, monkeypatch):
    monkeypatch.setattr(previewing, "MOST_DECODED", most)
    with pytest.raises(VideoError) as read:
        read_clip(clip, options)
    with pytest.raises(VideoError) as previewed:
        preview_selection(clip, options)
    assert str(previewed.value) == str(read.value)


def test_files_without_a_clip_raise_what_reading_raises(tmp_path, clip):
    cut = tmp_path / f"cut{clip.suffix}"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    (tmp_path / "text.mp4").write_text("no video", encoding="utf-8")
    (tmp_path / "empty.mp4").touch()
    for path in (cut, tmp_path / "text.mp4", tmp_path / "empty.mp4", tmp_path / "none.mp4"):
        with pytest.raises(VideoError) as read:
            read_clip(path, ClipOptions(18, 0, 1, 64, 48))
        with pytest.raises(VideoError) as previewed:
            preview_selection(path, ClipOptions(18, 0, 1, 64, 48))
        assert str(previewed.value) == str(read.value)


def test_a_selection_too_large_for_memory_raises_what_reading_raises(clip, monkeypatch):
    from motion_core.video.containers import input_checks

    for module in (previewing, input_checks):
        monkeypatch.setattr(module, "MAX_CLIP_PIXELS", 3 * 64 * 48)
    with pytest.raises(VideoError) as read:
        read_clip(clip, OPTIONS)
    with pytest.raises(VideoError) as previewed:
        preview_selection(clip, OPTIONS)
    assert str(previewed.value) == str(read.value)


def test_frames_far_into_a_file_are_not_decoded(clip, monkeypatch):
    monkeypatch.setattr(previewing, "MOST_DECODED", 10)
    preview = preview_selection(clip, OPTIONS)
    assert preview.clip is None and (preview.total, preview.frames) == (20, 5)


@pytest.mark.parametrize("size, reduced", [((64, 64), (64, 64)), ((832, 480), (256, 144)), ((8, 4096), (8, 256))])
def test_sizes_keep_their_aspect_in_multiples_of_8(size, reduced):
    width, height = reduce_size(*size)
    assert abs(width - reduced[0]) <= 8 and abs(height - reduced[1]) <= 8
    assert width % 8 == height % 8 == 0
