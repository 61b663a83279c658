"""Reading clips: which frames come, at what size and in which colours."""

import struct
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
import torch
from clip_files import count_up, draw_noise, encode_video, read_numbers, refusal, write_images
from PIL import Image
from torch import Tensor

from motion_core.errors import VideoError
from motion_core.video import decoding
from motion_core.video.containers import packets, refusals
from motion_core.video.frames.options import ClipOptions
from motion_core.video.reading import read_clip, read_still, take_frames
from motion_core.video.writing import write_clip

# ---- picking


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
def test_picking(tmp_path, kind, options, numbers):
    path = tmp_path / "clip.mp4"
    if kind == "folder":
        path = write_images(tmp_path / "images", count_up())
    else:
        write_clip(path, count_up(), 8)
    clip = read_clip(path, ClipOptions(**options))
    assert read_numbers(clip) == numbers
    assert clip.fps == pytest.approx(8 / options.get("every", 1))


def test_decoding_stops_at_the_last_picked_frame(tmp_path, monkeypatch):
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


def test_folder_opens_only_the_picked_images(tmp_path):
    folder = write_images(tmp_path / "images", count_up())
    for number in (0, 2, 4, 11):
        (folder / f"frame{number}.png").write_bytes(b"no image")
    assert read_numbers(read_clip(folder, ClipOptions(frames=4, start=1, every=2, reversed=True))) == [7, 5, 3, 1]


def test_long_video_needs_a_frame_count(tmp_path):
    path = tmp_path / "long.mp4"
    encode_video(path, count_up(257, 16, 16, step=0))
    assert "more than 256 frames" in refusal(path)
    assert len(read_clip(path, ClipOptions(every=2)).frames) == 129
    assert len(read_clip(path, ClipOptions(frames=257)).frames) == 257


def test_clip_larger_than_memory_is_refused(tmp_path, monkeypatch):
    write_clip(tmp_path / "clip.mp4", count_up(), 8)
    monkeypatch.setattr(refusals, "MAX_CLIP_PIXELS", 6 * 48 * 64)
    assert len(read_clip(tmp_path / "clip.mp4", ClipOptions(frames=6)).frames) == 6
    assert "fewer frames" in refusal(tmp_path / "clip.mp4", frames=7)


# ---- geometry


def draw_quarters(height: int, width: int) -> Tensor:
    """Two frames: red left, blue right, and a green band over the top quarter."""
    frames = torch.zeros(2, height, width, 3)
    frames[:, :, : width // 2, 0] = 1
    frames[:, :, width // 2 :, 2] = 1
    frames[:, : height // 4] = torch.tensor([0.0, 1, 0])
    return frames


def test_crop_cuts_the_middle_out(tmp_path):
    frames = torch.zeros(2, 40, 80, 3)
    frames[:, :, 20:60] = 1  # exactly the middle square
    folder = write_images(tmp_path / "images", frames)
    clip = read_clip(folder, ClipOptions(width=24, height=24))
    assert clip.frames.shape == (2, 24, 24, 3)
    assert clip.frames.min() == 1


def test_pad_adds_black_bars(tmp_path):
    folder = write_images(tmp_path / "images", torch.ones(2, 40, 80, 3))
    clip = read_clip(folder, ClipOptions(width=64, height=64, fit="pad"))
    assert clip.frames.shape == (2, 64, 64, 3)
    assert clip.frames[:, :16].max() == 0 and clip.frames[:, 48:].max() == 0
    assert clip.frames[:, 16:48].min() == 1


def test_pad_loses_nothing_of_the_picture(tmp_path):
    folder = write_images(tmp_path / "images", draw_quarters(80, 40))
    clip = read_clip(folder, ClipOptions(width=32, height=32, fit="pad"))
    assert clip.frames[0, 4, 16].tolist() == [0, 1, 0]
    assert clip.frames[0, 24, 10].tolist() == [1, 0, 0] and clip.frames[0, 24, 21].tolist() == [0, 0, 1]
    assert clip.frames[0, :, :8].max() == 0


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_shrinking_is_antialiased(tmp_path, fit):
    board = torch.zeros(2, 128, 128, 3)
    board[:, :, 1::4] = board[:, :, 2::4] = 1  # without a filter, only the white columns are looked at
    clip = read_clip(write_images(tmp_path / "images", board), ClipOptions(width=32, height=32, fit=fit))
    assert (clip.frames[:, 4:-4, 4:-4] - 0.5).abs().max() < 0.05


def test_own_size_is_cut_to_multiples_of_eight_unsoftened(tmp_path):
    frames = draw_noise(2, 45, 70).mul(255).round().div(255)
    clip = read_clip(write_images(tmp_path / "images", frames))
    assert torch.equal(clip.frames, frames[:, 2:42, 3:67].mul(255).round().div(255))


def test_extreme_aspects_still_give_the_size(tmp_path):
    folder = write_images(tmp_path / "images", torch.ones(2, 8, 600, 3))
    for fit in ("crop", "pad"):
        assert read_clip(folder, ClipOptions(width=8, height=64, fit=fit)).frames.shape == (2, 64, 8, 3)


def tag_rotation(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Put the display matrix into an mp4's track header; written as 16.16 and 2.30 fixed point."""
    data = path.read_bytes()
    plain, turned = (
        struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
        for a, b, c, d in ((1, 0, 0, 1), matrix)
    )
    assert data.count(plain) == 2  # the movie header's comes first
    head, tail = data.rsplit(plain, 1)
    path.write_bytes(head + turned + tail)


# a b c d of the matrix -> where the file's corners 0 1 / 2 3 are shown, as ffmpeg shows them
ORIENTATIONS = {
    (1, 0, 0, 1): [[0, 1], [2, 3]],
    (-1, 0, 0, 1): [[1, 0], [3, 2]],
    (1, 0, 0, -1): [[2, 3], [0, 1]],
    (-1, 0, 0, -1): [[3, 2], [1, 0]],
    (0, 1, -1, 0): [[2, 0], [3, 1]],
    (0, -1, 1, 0): [[1, 3], [0, 2]],
    (0, 1, 1, 0): [[0, 2], [1, 3]],
    (0, -1, -1, 0): [[3, 1], [2, 0]],
}


@pytest.mark.parametrize("matrix, shown", ORIENTATIONS.items(), ids=str)
def test_turned_and_mirrored_clips_are_read_upright(tmp_path, matrix, shown):
    frames = torch.zeros(3, 32, 64, 3)
    for corner in range(4):
        frames[:, corner // 2 * 16 :, corner % 2 * 32 :] = corner * 80 / 255
    frames[:, :16, 32:] = 80 / 255
    frames[:, 16:, :32] = 160 / 255
    path = encode_video(tmp_path / "turned.mp4", frames)
    if matrix != (1, 0, 0, 1):
        tag_rotation(path, matrix)
    seen = read_clip(path).frames[0, :, :, 0]
    assert seen.shape == ((32, 64) if matrix[0] else (64, 32))
    height, width = seen.shape
    quarters = seen[height // 4 :: height // 2, width // 4 :: width // 2]
    assert (quarters * 255 / 80).round().tolist() == shown


def test_exif_orientation_is_applied(tmp_path):
    (tmp_path / "images").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    for number in range(2):
        image = Image.new("RGB", (64, 32))
        image.paste((255, 255, 255), (0, 0, 16, 16))
        image.save(tmp_path / "images" / f"{number}.jpg", exif=exif, quality=95)
    frames = read_clip(tmp_path / "images").frames
    assert frames.shape == (2, 64, 32, 3)
    assert frames[0, 4, 28, 0] > 0.9 and frames[0, 4, 4, 0] < 0.1


def test_images_of_several_sizes_take_the_first_ones(tmp_path):
    folder = write_images(tmp_path / "images", count_up(2, 48, 64))
    Image.new("RGB", (200, 48), (40, 40, 40)).save(folder / "frame2.png")
    Image.new("RGB", (64, 96), (60, 60, 60)).save(folder / "frame3.png")
    clip = read_clip(folder)
    assert clip.frames.shape == (4, 48, 64, 3)
    assert read_numbers(clip) == [0, 1, 2, 3]


def test_video_that_changes_its_size_half_way(tmp_path):
    with av.open(str(tmp_path / "sizes.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(8):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height = (64, 48) if number < 4 else (128, 80)
            encoder.pix_fmt = "yuvj420p"
            encoder.time_base = Fraction(1, 8)
            pixels = (count_up(8)[number, :1, :1] * 255).round().byte().expand(encoder.height, encoder.width, 3)
            picture = av.VideoFrame.from_ndarray(pixels.contiguous().numpy()).reformat(format="yuvj420p")
            picture.pts, picture.time_base = number, encoder.time_base
            for packet in [*encoder.encode(picture), *encoder.encode(None)]:
                packet.stream = stream
                container.mux(packet)
    clip = read_clip(tmp_path / "sizes.mkv")
    assert clip.frames.shape == (8, 48, 64, 3)
    assert read_numbers(clip) == list(range(8))


# ---- rates and transparency


FORMATS = {"mp4": "yuv420p", "webm": "yuv420p", "mkv": "yuv420p", "gif": "gray"}
CODECS = {"mp4": "libx264", "webm": "libvpx-vp9", "mkv": "libvpx", "gif": "gif"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_uneven_times_are_read_at_their_mean_rate(tmp_path, suffix):
    """Six frames of 0.125 s, then six of 0.5 s: 12 frames in 3.75 s."""
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
def test_rounded_times_of_a_constant_rate_lose_no_frame(tmp_path, suffix, fps):
    write_clip(tmp_path / f"even.{suffix}", count_up(12, 16, 16), fps)
    clip = read_clip(tmp_path / f"even.{suffix}")
    assert read_numbers(clip) == list(range(12))
    assert clip.fps == pytest.approx(min(fps, 50) if suffix == "gif" else fps, rel=0.02 if suffix == "gif" else 1e-3)


@pytest.mark.parametrize("delay, fps", [(0, 10), (10, 10), (20, 50), (100, 10)])
def test_a_gif_in_too_much_of_a_hurry_plays_as_in_browsers(tmp_path, delay, fps):
    images = [Image.new("L", (16, 16), number * 20) for number in range(6)]
    images[0].save(tmp_path / "fast.gif", save_all=True, append_images=images[1:], duration=delay)
    assert read_clip(tmp_path / "fast.gif").fps == pytest.approx(fps)


def test_the_last_frame_counts_for_as_long_as_it_is_shown(tmp_path):
    times = [0, 3, 6, 9, 12, 15]
    clip = read_clip(encode_video(tmp_path / "held.mp4", count_up(6), times=times, end=36))
    assert clip.fps == pytest.approx(4)
    assert read_numbers(clip) == [1, 3, 5, 5, 5, 5]


@pytest.mark.parametrize("rate", [None, Fraction(0), Fraction(1000), Fraction(1, 3600), Fraction(90000)])
def test_absurd_rate_falls_back(rate):
    stream: Any = SimpleNamespace(average_rate=rate)
    assert packets.read_rate(stream) == 8


def test_transparency_lies_on_black(tmp_path):
    clear = [Image.new("RGBA", (16, 16), (255, 255, 255, alpha)) for alpha in (0, 128, 255)]
    (tmp_path / "images").mkdir()
    for number, image in enumerate(clear):
        image.save(tmp_path / "images" / f"{number}.png")
    levels = read_clip(tmp_path / "images").frames[:, 8, 8, 0]
    assert levels.tolist() == pytest.approx([0, 128 / 255, 1], abs=1e-6)


def test_transparent_gif_lies_on_black(tmp_path):
    images = [Image.new("RGBA", (16, 16), (255, 255, 255, 0)) for _ in range(3)]
    for number, image in enumerate(images):
        image.paste((255, 255, 255, 255), (number, 0, number + 4, 8))
    images[0].save(tmp_path / "clear.gif", save_all=True, append_images=images[1:], duration=100, disposal=2)
    frames = read_clip(tmp_path / "clear.gif").frames
    assert frames[0, 2, 1].tolist() == [1, 1, 1] and frames[:, 12, 12].max() == 0


def test_sixteen_bit_images_are_scaled(tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(3):
        levels = torch.full((16, 16), number * 20 * 257, dtype=torch.uint16)
        Image.fromarray(levels.numpy()).save(tmp_path / "images" / f"{number}.png")
    assert read_numbers(read_clip(tmp_path / "images")) == [0, 1, 2]


def test_frames_in_memory_are_picked_as_a_files_are(tmp_path):
    frames = torch.rand(20, 24, 40, 3, generator=torch.Generator().manual_seed(0))
    options = ClipOptions(frames=5, start=2, every=3, width=32, height=16, fit="pad", reversed=True)
    for number, frame in enumerate(frames):
        Image.fromarray((frame * 255).round().to(torch.uint8).numpy()).save(tmp_path / f"{number}.png")
    held, read = take_frames(frames, 24.0, options), read_clip(tmp_path, options)
    assert torch.equal(held.frames, read.frames) and held.fps == 8.0
    with pytest.raises(VideoError, match="the video has 20 frames"):
        take_frames(frames, 24.0, ClipOptions(frames=21))


# ---- single images


def test_an_image_is_a_clip_of_one_frame(tmp_path):
    folder = write_images(tmp_path / "images", count_up(3))
    clip = read_clip(folder)
    image = sorted(folder.iterdir())[1]
    assert torch.equal(read_still(image).frames, clip.frames[1:2])
    assert read_still(image, ClipOptions(7, 5, 3, 24, 16)).frames.shape == (1, 16, 24, 3)


def test_an_image_that_is_none(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    for name, says in (("text.png", "can't be read|damaged"), ("none.png", "does not exist")):
        with pytest.raises(VideoError, match=says):
            read_still(tmp_path / name)
