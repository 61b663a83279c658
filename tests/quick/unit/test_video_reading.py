"""Reading clips: which frames are decoded, and clips from memory and from single images."""

import pytest
import torch
from clip_files import count_up, encode_video, read_numbers, refusal, write_images
from PIL import Image

from motion_core.errors import VideoError
from motion_core.video import decoding
from motion_core.video.containers import input_checks
from motion_core.video.frames.options import ClipOptions
from motion_core.video.reading import read_clip, read_still, take_frames
from motion_core.video.writing import write_clip


@pytest.mark.parametrize(
    "options, numbers",
    [
        ({}, list(range(12))),
        ({"frames": 4}, [0, 1, 2, 3]),
        ({"frames": 12}, list(range(12))),
        ({"start": 9}, [9, 10, 11]),
        ({"every": 5}, [0, 5, 10]),
        ({"frames": 3, "start": 2, "every": 4}, [2, 6, 10]),
        ({"frames": 3, "start": 1, "every": 2, "reversed": True}, [5, 3, 1]),
    ],
)
@pytest.mark.parametrize("kind", ["video", "folder"])
def test_the_selected_frames_are_read(tmp_path, kind, options, numbers):
    path = tmp_path / "clip.mp4"
    if kind == "folder":
        path = write_images(tmp_path / "images", count_up())
    else:
        write_clip(path, count_up(), 8)
    clip = read_clip(path, ClipOptions(**options))
    assert read_numbers(clip) == numbers
    assert clip.fps == pytest.approx(8 / options.get("every", 1))


def test_decoding_stops_at_the_last_selected_frame(tmp_path, monkeypatch):
    encode_video(tmp_path / "long.mp4", count_up(240, 16, 16, step=1))
    decoded, converted = [], []
    decode, convert = decoding.decode_frames, decoding.read_pixels

    def count_decoded(*source):
        for number, frame in decode(*source):
            decoded.append(number)
            yield number, frame

    def count_converted(frame, *kind):
        converted.append(frame.pts)
        return convert(frame, *kind)

    monkeypatch.setattr(decoding, "decode_frames", count_decoded)
    monkeypatch.setattr(decoding, "read_pixels", count_converted)
    clip = read_clip(tmp_path / "long.mp4", ClipOptions(frames=5, start=10, every=3))
    assert read_numbers(clip, step=1) == [10, 13, 16, 19, 22]
    assert len(decoded) == 23 and len(converted) == 5


def test_only_the_selected_images_of_a_folder_are_opened(tmp_path):
    folder = write_images(tmp_path / "images", count_up())
    for number in (0, 2, 4, 11):
        (folder / f"frame{number}.png").write_bytes(b"no image")
    assert read_numbers(read_clip(folder, ClipOptions(frames=4, start=1, every=2, reversed=True))) == [7, 5, 3, 1]


def test_a_long_video_is_refused_without_a_number_of_frames(tmp_path):
    path = tmp_path / "long.mp4"
    encode_video(path, count_up(257, 16, 16, step=0))
    assert "more than 256 frames" in refusal(path)
    assert len(read_clip(path, ClipOptions(every=2)).frames) == 129
    assert len(read_clip(path, ClipOptions(frames=257)).frames) == 257


def test_a_clip_larger_than_memory_is_refused(tmp_path, monkeypatch):
    write_clip(tmp_path / "clip.mp4", count_up(), 8)
    monkeypatch.setattr(input_checks, "MAX_CLIP_PIXELS", 6 * 48 * 64)
    assert len(read_clip(tmp_path / "clip.mp4", ClipOptions(frames=6)).frames) == 6
    assert "fewer frames" in refusal(tmp_path / "clip.mp4", frames=7)


def test_frames_in_memory_are_selected_like_those_of_a_file(tmp_path):
    frames = torch.rand(20, 24, 40, 3, generator=torch.Generator().manual_seed(0))
    options = ClipOptions(frames=5, start=2, every=3, width=32, height=16, fit="pad", reversed=True)
    for number, frame in enumerate(frames):
        Image.fromarray((frame * 255).round().to(torch.uint8).numpy()).save(tmp_path / f"{number}.png")
    from_memory, from_folder = take_frames(frames, 24.0, options), read_clip(tmp_path, options)
    assert torch.equal(from_memory.frames, from_folder.frames) and from_memory.fps == 8.0
    with pytest.raises(VideoError, match="the video has 20 frames"):
        take_frames(frames, 24.0, ClipOptions(frames=21))


# ---- single images


def test_an_image_is_read_as_a_clip_of_one_frame(tmp_path):
    folder = write_images(tmp_path / "images", count_up(3))
    clip = read_clip(folder)
    image = sorted(folder.iterdir())[1]
    assert torch.equal(read_still(image).frames, clip.frames[1:2])
    assert read_still(image, ClipOptions(7, 5, 3, 24, 16)).frames.shape == (1, 16, 24, 3)


def test_a_missing_or_damaged_image_is_refused(tmp_path):
    (tmp_path / "text.png").write_text("hello", encoding="utf-8")
    for name, says in (("text.png", "can't be read|damaged"), ("none.png", "does not exist")):
        with pytest.raises(VideoError, match=says):
            read_still(tmp_path / name)
