"""Frame rates: constant and variable ones, and implausible ones."""

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from clip_files import count_up, encode_video, read_numbers
from PIL import Image

from motion_core.video.containers import packets
from motion_core.video.frames.options import ClipOptions
from motion_core.video.reading import read_clip
from motion_core.video.writing import write_clip

FORMATS = {"mp4": "yuv420p", "webm": "yuv420p", "mkv": "yuv420p", "gif": "gray"}
CODECS = {"mp4": "libx264", "webm": "libvpx-vp9", "mkv": "libvpx", "gif": "gif"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_variable_rate_is_read_at_its_mean_rate(tmp_path, suffix):
    """Six frames last 0.125 s and six 0.5 s: 12 frames in 3.75 s."""
    times = [0, 3, 6, 9, 12, 15, 18, 30, 42, 54, 66, 78]
    path = tmp_path / f"uneven.{suffix}"
    encode_video(path, count_up(), CODECS[suffix], times, end=90, pixels=FORMATS[suffix])
    clip = read_clip(path)
    assert read_numbers(clip) == [1, 3, 6, 6, 7, 7, 8, 9, 9, 10, 11, 11]
    assert clip.fps == pytest.approx(3.2, rel=0.01)
    later = read_clip(path, ClipOptions(frames=3, start=4, every=3))
    assert read_numbers(later) == [7, 9, 11] and later.fps == pytest.approx(3.2 / 3, rel=0.01)


@pytest.mark.parametrize("fps", [8, 12, 23.976, 24, 30, 59.94])
@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif"])
def test_a_constant_rate_with_rounded_times_loses_no_frame(tmp_path, suffix, fps):
    write_clip(tmp_path / f"even.{suffix}", count_up(12, 16, 16), fps)
    clip = read_clip(tmp_path / f"even.{suffix}")
    assert read_numbers(clip) == list(range(12))
    assert clip.fps == pytest.approx(min(fps, 50) if suffix == "gif" else fps, rel=0.02 if suffix == "gif" else 1e-3)


@pytest.mark.parametrize("delay, fps", [(0, 10), (10, 10), (20, 50), (100, 10)])
def test_a_gif_with_too_short_delays_plays_at_the_rate_of_browsers(tmp_path, delay, fps):
    images = [Image.new("L", (16, 16), number * 20) for number in range(6)]
    images[0].save(tmp_path / "fast.gif", save_all=True, append_images=images[1:], duration=delay)
    assert read_clip(tmp_path / "fast.gif").fps == pytest.approx(fps)


def test_a_long_last_frame_counts_with_its_duration(tmp_path):
    times = [0, 3, 6, 9, 12, 15]
    clip = read_clip(encode_video(tmp_path / "held.mp4", count_up(6), times=times, end=36))
    assert clip.fps == pytest.approx(4)
    assert read_numbers(clip) == [1, 3, 5, 5, 5, 5]


@pytest.mark.parametrize("rate", [None, Fraction(0), Fraction(1000), Fraction(1, 3600), Fraction(90000)])
def test_an_implausible_rate_becomes_eight(rate):
    stream: Any = SimpleNamespace(average_rate=rate)
    assert packets.read_rate(stream) == 8
