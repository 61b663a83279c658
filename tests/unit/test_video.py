"""Reading and writing clips: what comes back, and what is refused with which sentence."""

import errno
import os
import random
import struct
import wave
import zlib
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
import torch
from PIL import Image
from torch import Tensor

from motion_core import video_reading, video_writing
from motion_core.errors import MotionError, OptionError, VideoError
from motion_core.video import Clip, ClipOptions, read_clip, write_clip, write_sheet

CODING_LOSS = 3.5  # grey levels of 255


def count_up(frames: int = 12, height: int = 48, width: int = 64, step: int = 20) -> Tensor:
    """(N, H, W, 3): frame number n is evenly grey, of level n * step."""
    return (torch.arange(frames) * step / 255).view(-1, 1, 1, 1).expand(-1, height, width, 3).contiguous()


def draw_noise(frames: int = 12, height: int = 48, width: int = 64) -> Tensor:
    """Frames that take many bytes, so that cutting the file off loses some of them."""
    return torch.rand(frames, height, width, 3, generator=torch.Generator().manual_seed(0))


def read_numbers(clip: Clip, step: int = 20) -> list[int]:
    """The numbers of the frames of count_up, seen in the middle of each."""
    levels = clip.frames[:, clip.frames.shape[1] // 2, clip.frames.shape[2] // 2].mean(-1) * 255
    numbers = (levels / step).round()
    assert (levels - numbers * step).abs().max() <= CODING_LOSS
    return numbers.int().tolist()


def write_images(folder: Path, frames: Tensor, suffix: str = ".png") -> Path:
    folder.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray((frame * 255).round().byte().numpy()).save(folder / f"frame{number}{suffix}")
    return folder


def encode_video(path: Path, frames: Tensor, codec: str = "libx264", times: list[int] | None = None, **kind) -> Path:
    """Written without the code under test. times: in 1/24 s; kind: title, sound (s), options for the file."""
    sound, title = kind.pop("sound", 0), kind.pop("title", "")
    with av.open(str(path), "w", **kind) as container:
        container.metadata["title"] = title
        stream = container.add_stream(codec, rate=24, options={"bf": "0"})  # B-frames blur the times
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 24)
        if sound:
            add_sound(container, sound)
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray((frame * 255).round().byte().numpy())
            picture.pts = times[number] if times else number * 3
            picture.time_base = Fraction(1, 24)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def add_sound(container: av.container.OutputContainer, seconds: int) -> None:
    stream = container.add_stream("aac", rate=16000)
    silence = av.AudioFrame.from_ndarray(torch.zeros(1, 16000 * seconds).numpy(), format="fltp", layout="mono")
    silence.sample_rate = 16000
    container.mux([*stream.encode(silence), *stream.encode(None)])


def refusal(path: Path, **options) -> str:
    """The one sentence with which the file is refused."""
    with pytest.raises(VideoError) as caught:
        read_clip(path, ClipOptions(**options))
    sentence = str(caught.value)
    assert str(path) in sentence and "\n" not in sentence
    return sentence


# ---- round trips


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_written_clip_reads_back(tmp_path, suffix):
    write_clip(tmp_path / f"clip{suffix}", count_up(), 10)
    clip = read_clip(tmp_path / f"clip{suffix}")
    assert clip.frames.shape == (12, 48, 64, 3) and clip.frames.dtype == torch.float32
    assert read_numbers(clip) == list(range(12))
    assert clip.fps == pytest.approx(10)


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_colours_survive(tmp_path, suffix):
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.9, 0.5, 0.1], [0.2, 0.3, 0.8], [1, 1, 1]])
    frames = colours.repeat_interleave(16, 0)[None, :, None].expand(4, -1, 64, -1)
    write_clip(tmp_path / f"clip{suffix}", frames, 8)
    centres = read_clip(tmp_path / f"clip{suffix}").frames[:, 8::16, 32]
    assert (centres - colours).abs().max() * 255 <= CODING_LOSS


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_brightness_is_unbiased(tmp_path, suffix):
    frames = draw_noise(4).mul(0.2).add(0.4)
    write_clip(tmp_path / f"clip{suffix}", frames, 8)
    assert (read_clip(tmp_path / f"clip{suffix}").frames - frames).mean().abs() * 255 < 0.5


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_folder_reads_in_natural_order(tmp_path, suffix):
    clip = read_clip(write_images(tmp_path / "images", count_up(), suffix))
    assert read_numbers(clip) == list(range(12))  # frame10 after frame9
    assert clip.fps == 8


def test_still_clip_keeps_every_frame_of_a_gif(tmp_path):
    write_clip(tmp_path / "still.gif", torch.full((6, 16, 16, 3), 0.5), 8)
    assert len(read_clip(tmp_path / "still.gif").frames) == 6


def test_gif_loops_for_ever(tmp_path):
    write_clip(tmp_path / "clip.gif", count_up(3), 8)
    with Image.open(tmp_path / "clip.gif") as image:
        assert image.info["loop"] == 0


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_odd_sides_repeat_their_edge(tmp_path, suffix):
    frames = torch.zeros(3, 33, 47, 3)
    frames[:, -1] = frames[:, :, -1] = 1
    path = tmp_path / f"odd{suffix}"
    write_clip(path, frames, 8)
    with av.open(str(path)) as container:
        picture = torch.from_numpy(next(container.decode(video=0)).to_ndarray(format="gray"))
    assert picture.shape == (34, 48)
    assert picture[-1, :40].min() > 200 and picture[:30, -1].min() > 200 and picture[:30, :40].max() < 40


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_same_frames_give_same_bytes(tmp_path, suffix):
    frames = draw_noise(5)
    for name in ("a", "b"):
        write_clip(tmp_path / f"{name}{suffix}", frames, 8)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_mp4_falls_back_to_another_encoder(tmp_path, monkeypatch):
    codec = av.Codec

    def lack_x264(name, mode):
        if name == "libx264":
            raise av.codec.codec.UnknownCodecError(name)
        return codec(name, mode)

    monkeypatch.setattr(av, "Codec", lack_x264)
    write_clip(tmp_path / "clip.mp4", count_up(), 8)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert read_numbers(read_clip(tmp_path / "clip.mp4")) == list(range(12))


def test_wild_values_are_clamped(tmp_path):
    frames = torch.stack([torch.full((16, 16, 3), value) for value in (-3.0, 5.0, float("nan"), float("inf"))])
    write_clip(tmp_path / "clip.mp4", frames.to(torch.bfloat16), 8)
    assert read_clip(tmp_path / "clip.mp4").frames[:, 8, 8, 0].tolist() == pytest.approx([0, 1, 0, 1], abs=0.02)


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
    decode, convert = video_reading.decode_frames, video_reading.read_pixels

    def count_decoded(*source):
        for frame in decode(*source):
            decoded.append(frame.pts)
            yield frame

    def count_converted(frame, scaler):
        converted.append(frame.pts)
        return convert(frame, scaler)

    monkeypatch.setattr(video_reading, "decode_frames", count_decoded)
    monkeypatch.setattr(video_reading, "read_pixels", count_converted)
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
    monkeypatch.setattr(video_reading, "MAX_CLIP_PIXELS", 6 * 48 * 64)
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


@pytest.mark.parametrize(
    "rotation, matrix, corner",
    [(-90, (0, 1, -1, 0), (0, -1)), (90, (0, -1, 1, 0), (-1, 0)), (180, (-1, 0, 0, -1), (-1, -1))],
)
def test_rotation_tag_is_applied(tmp_path, rotation, matrix, corner):
    frames = torch.zeros(3, 32, 64, 3)
    frames[:, :16, :16] = 1  # top left
    tag_rotation(encode_video(tmp_path / "turned.mp4", frames), matrix)
    clip = read_clip(tmp_path / "turned.mp4")
    assert clip.frames.shape[1:3] == ((32, 64) if rotation == 180 else (64, 32))
    corners = clip.frames[0, :, :, 0][8::16, 8::16][[0, 0, -1, -1], [0, -1, 0, -1]].view(2, 2)
    assert corners[corner] > 0.95 and corners.sum() < 1.1


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


def test_variable_rate_takes_frames_as_decoded(tmp_path):
    times = [0, 1, 2, 3, 24, 25, 26, 48, 60, 61, 90, 93]  # of 24 a second
    clip = read_clip(encode_video(tmp_path / "uneven.mp4", count_up(), times=times))
    assert read_numbers(clip) == list(range(12))
    assert clip.fps == pytest.approx(12 / 4, rel=0.05)


@pytest.mark.parametrize("rate", [None, Fraction(0), Fraction(1000), Fraction(1, 3600), Fraction(90000)])
def test_absurd_rate_falls_back(rate):
    stream: Any = SimpleNamespace(average_rate=rate)
    assert video_reading.read_rate(stream) == 8


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


# ---- refusals: options


@pytest.mark.parametrize(
    "options, word",
    [
        ({"frames": 1}, "frames=1"),
        ({"frames": 1025}, "from 2 to 1024"),
        ({"frames": 16.0}, "whole"),
        ({"frames": True}, "frames=True"),
        ({"start": -1}, "start=-1"),
        ({"every": 0}, "every=0"),
        ({"width": 64}, "both"),
        ({"height": 64}, "both"),
        ({"width": 60, "height": 64}, "multiple of 8"),
        ({"width": 64, "height": 0}, "height=0"),
        ({"width": 4104, "height": 64}, "from 8 to 4096"),
        ({"fit": "stretch"}, "crop, pad"),
        ({"reversed": 1}, "reversed=1"),
    ],
)
def test_options_out_of_range(options, word):
    with pytest.raises(OptionError, match=word):
        ClipOptions(**options)


# ---- refusals: files


def test_missing_path(tmp_path):
    assert "does not exist" in refusal(tmp_path / "nothing.mp4")


def test_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "._1.png").write_bytes(b"the file system's own")
    assert "no images" in refusal(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "empty.mp4").touch()
    assert "is empty" in refusal(tmp_path / "empty.mp4")


def test_single_image(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "one.png")
    assert "single image" in refusal(tmp_path / "one.png")


PLAYLISTS = ["#EXTM3U\n#EXTINF:1,\nreal.mp4\n", "ffconcat version 1.0\nfile real.mp4\n"]


@pytest.mark.parametrize("text", ["hello\n" * 100, *PLAYLISTS])
def test_text_renamed_to_video(tmp_path, text):
    write_clip(tmp_path / "real.mp4", count_up(), 8)  # a playlist must not lead to it
    (tmp_path / "text.mp4").write_text(text)
    assert "no video" in refusal(tmp_path / "text.mp4")


def test_sound_alone(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        add_sound(container, 1)
    assert "no video track" in refusal(tmp_path / "sound.mp4")
    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(8000))
    assert "no video" in refusal(tmp_path / "sound.wav")


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif", ""])
def test_only_one_frame(tmp_path, suffix):
    path = tmp_path / f"one{suffix}"
    if suffix:
        write_clip(path, count_up(1), 8)
    else:
        write_images(path, count_up(1))
    assert "only one frame" in refusal(path) and "at least 2" in refusal(path)


@pytest.mark.parametrize("kind", ["video", "folder"])
def test_fewer_frames_than_asked(tmp_path, kind):
    path = tmp_path / "clip.mp4"
    if kind == "folder":
        path = write_images(tmp_path / "images", count_up())
    else:
        write_clip(path, count_up(), 8)
    assert "has 12 frames, 4 of them with start=4 and every=2" in refusal(path, frames=5, start=4, every=2)
    assert "at most 4 frames" in refusal(path, frames=5, start=4, every=2)
    assert "12 frames, 0 of them" in refusal(path, start=12)
    assert "at least 2" in refusal(path, start=11)


def test_frames_below_eight_pixels(tmp_path):
    folder = write_images(tmp_path / "images", torch.ones(2, 6, 64, 3))
    assert "64x6" in refusal(folder)
    assert read_clip(folder, ClipOptions(width=16, height=16)).frames.shape == (2, 16, 16, 3)


@pytest.mark.parametrize("name", ["cut.mp4", "front.mp4", "cut.webm", "cut.mkv", "cut.gif"])
@pytest.mark.parametrize("share", [0.004, 0.5])
def test_cut_off_file(tmp_path, name, share):
    frames = draw_noise(12)
    if name == "front.mp4":  # its table of contents is in front, so half of it can be played
        encode_video(tmp_path / name, frames, options={"movflags": "faststart"})
    elif name == "cut.mkv":
        encode_video(tmp_path / name, frames, sound=1)
    else:
        write_clip(tmp_path / name, frames, 8)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * share)])
    refusal(tmp_path / name)
    refusal(tmp_path / name, frames=12)
    if share == 0.5 and name != "cut.mp4":
        half = read_clip(tmp_path / name, ClipOptions(frames=3)).frames
        assert (half - frames[:3]).abs().mean() < 0.2


@pytest.mark.parametrize("part, word", [(0.0, "damaged"), (0.3, "damaged at frame 6")])
def test_damage_in_the_middle(tmp_path, part, word):
    """A spoilt packet header makes the decoder raise; a spoilt picture makes it paint over the place."""
    path = encode_video(tmp_path / "clip.mp4", draw_noise())
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[6]
        place = packet.pos + int(packet.size * part)
    data = bytearray(path.read_bytes())
    data[place : place + 100] = bytes(100)
    path.write_bytes(data)
    assert word in refusal(path)
    assert len(read_clip(path, ClipOptions(frames=3)).frames) == 3


@pytest.mark.parametrize("damage", ["text", "cut", "empty"])
def test_damaged_image(tmp_path, damage):
    folder = write_images(tmp_path / "images", draw_noise(4))
    image = folder / "frame2.png"
    image.write_bytes({"text": b"hello", "cut": image.read_bytes()[:3000], "empty": b""}[damage])
    assert "frame2.png can't be read" in refusal(folder)
    assert len(read_clip(folder, ClipOptions(frames=2)).frames) == 2


def write_png_header(path: Path, width: int, height: int) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = b"IDAT" + zlib.compress(bytes(1000))
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with path.open("ab") as file:
        for chunk in (header, rows):
            file.write(struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(60000, 60000), (8200, 8), (8192, 8200), (11000, 9000)])
def test_absurd_size_of_an_image(tmp_path, size):
    folder = write_images(tmp_path / "images", count_up(2))
    write_png_header(folder / "frame2.png", *size)
    assert "at most 8192x8192" in refusal(folder)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8200, 20000, 60000])
def test_absurd_size_of_a_gif(tmp_path, side):
    write_clip(tmp_path / "huge.gif", count_up(3), 8)
    data = bytearray((tmp_path / "huge.gif").read_bytes())
    data[6:10] = struct.pack("<HH", side, side)
    (tmp_path / "huge.gif").write_bytes(data)
    assert "at most 8192x8192" in refusal(tmp_path / "huge.gif")


def test_absurd_size_of_a_video(tmp_path, monkeypatch):
    encode_video(tmp_path / "wide.mkv", torch.zeros(2, 16, 8200, 3), codec="ffv1")
    monkeypatch.setattr(video_reading, "read_pixels", lambda *frame: pytest.fail("was converted"))
    monkeypatch.setattr(video_reading, "decode_frames", lambda *source: pytest.fail("was decoded"))
    assert "8200x16" in refusal(tmp_path / "wide.mkv")


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_any_damage_is_reported_or_harmless(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    write_clip(path, draw_noise(4, 16, 16), 8)
    whole = path.read_bytes()
    for seed in range(40):
        chance = random.Random(seed)
        data = bytearray(whole)
        for _ in range(chance.randint(1, 20)):
            data[chance.randrange(len(data) if seed % 2 else min(600, len(data)))] = chance.randrange(256)
        path.write_bytes(data[: chance.randrange(len(data))] if seed % 3 == 0 else data)
        try:
            clip = read_clip(path)
        except MotionError as error:
            assert str(path) in str(error)
        else:
            assert len(clip.frames) >= 2 and clip.frames.isfinite().all() and 0 < clip.fps <= 240


def test_interruption_is_not_swallowed(tmp_path, monkeypatch):
    def interrupt(*frame):
        raise KeyboardInterrupt

    write_clip(tmp_path / "clip.mp4", count_up(), 8)
    monkeypatch.setattr(video_reading, "read_pixels", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_clip(tmp_path / "clip.mp4")


def test_old_titles_are_no_damage(tmp_path):
    path = encode_video(tmp_path / "clip.mkv", count_up(), title="Zurich")
    data = path.read_bytes()
    assert b"Zurich" in data
    path.write_bytes(data.replace(b"Zurich", b"Z\xfcrich"))  # not UTF-8
    assert read_numbers(read_clip(path)) == list(range(12))


# ---- refusals: writing


@pytest.mark.parametrize("name", ["clip.avi", "clip", "clip.png"])
def test_unknown_suffix(tmp_path, name):
    with pytest.raises(VideoError, match=r"\.mp4, \.webm, \.gif"):
        write_clip(tmp_path / name, count_up(), 8)


@pytest.mark.parametrize(
    "frames, fps",
    [
        (torch.zeros(4, 3, 16, 16), 8),
        (torch.zeros(16, 16, 3), 8),
        (torch.zeros(0, 16, 16, 3), 8),
        (torch.zeros(4, 16, 16, 3, dtype=torch.uint8), 8),
        (torch.zeros(4, 16, 16, 3), 0),
        (torch.zeros(4, 16, 16, 3), float("nan")),
        (torch.zeros(4, 16, 16, 3), 1000),
    ],
)
def test_frames_of_the_wrong_kind(tmp_path, frames, fps):
    with pytest.raises(OptionError):
        write_clip(tmp_path / "clip.mp4", frames, fps)
    assert not list(tmp_path.iterdir())


def fill_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def write_half(path: Path, data: bytes) -> int:
    with open(path, "wb") as file:
        file.write(data[: len(data) // 2])
    fill_disk()
    return 0


@pytest.mark.parametrize("owner, name, fault", [(os, "replace", fill_disk), (Path, "write_bytes", write_half)])
@pytest.mark.parametrize("file", ["clip.mp4", "clip.webm", "clip.gif", "sheet.png"])
def test_failed_writing_leaves_the_old_file(tmp_path, monkeypatch, owner, name, fault, file):
    (tmp_path / file).write_bytes(b"the old one")
    monkeypatch.setattr(owner, name, fault)
    with pytest.raises(VideoError, match=f"{file} can't be written .No space left"):
        if file == "sheet.png":
            write_sheet(tmp_path / file, [count_up(2)])
        else:
            write_clip(tmp_path / file, count_up(2), 8)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(file, b"the old one")]


def test_failing_encoder_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "clip.mp4").write_bytes(b"the old one")
    monkeypatch.setattr(video_writing.av, "open", fill_disk)
    with pytest.raises(VideoError, match="No space left"):
        write_clip(tmp_path / "clip.mp4", count_up(2), 8)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the old one"]


def test_missing_folder(tmp_path):
    with pytest.raises(VideoError, match="folder exists"):
        write_clip(tmp_path / "nowhere" / "clip.mp4", count_up(2), 8)


# ---- contact sheets


def test_sheet_shows_evenly_spaced_frames(tmp_path):
    gap = video_writing.GAP
    write_sheet(tmp_path / "sheet.png", [count_up(11, 20, 24), count_up(2, 20, 24, step=100)], scale=2, columns=6)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (gap + 6 * (48 + gap), gap + 2 * (40 + gap))
        levels = [sheet.getpixel((gap + column * (48 + gap) + 24, gap + 20))[0] for column in range(6)]
        assert levels == [0, 40, 80, 120, 160, 200]
        assert sheet.getpixel((gap + 24 + 48 + gap, gap + 20 + 40 + gap)) == (100, 100, 100)
        assert sheet.getpixel((sheet.width - 10, sheet.height - 10)) == video_writing.BACKGROUND


def test_sheet_enlarges_without_smoothing(tmp_path):
    frames = torch.zeros(1, 2, 2, 3)
    frames[0, 0, 0] = 1
    write_sheet(tmp_path / "sheet.png", [frames], scale=8)
    gap = video_writing.GAP
    with Image.open(tmp_path / "sheet.png") as sheet:
        patch = sheet.crop((gap, gap, gap + 16, gap + 16))
    assert sorted(patch.getcolors()) == [(64, (255, 255, 255)), (192, (0, 0, 0))]


def test_sheet_labels_stand_to_the_left(tmp_path):
    write_sheet(tmp_path / "plain.png", [torch.zeros(2, 32, 32, 3)] * 2)
    write_sheet(tmp_path / "labelled.png", [torch.zeros(2, 32, 32, 3)] * 2, ["a bear", ""])
    with Image.open(tmp_path / "plain.png") as plain, Image.open(tmp_path / "labelled.png") as labelled:
        assert labelled.height == plain.height
        margin = labelled.width - plain.width
        assert margin > 20
        brightest = [labelled.crop((0, top, margin, top + 32)).convert("L").getextrema()[1] for top in (4, 40)]
    assert brightest[0] > 150 and brightest[1] < 50  # text in the first row alone


@pytest.mark.parametrize(
    "options",
    [{"rows": []}, {"scale": 0}, {"columns": 0}, {"labels": ["a", "b"]}, {"rows": [torch.zeros(2, 3, 8, 8)]}],
)
def test_sheet_options(tmp_path, options):
    with pytest.raises(OptionError):
        write_sheet(tmp_path / "sheet.png", **{"rows": [count_up(2)], **options})


def test_sheet_must_be_png(tmp_path):
    with pytest.raises(VideoError, match=r"\.png"):
        write_sheet(tmp_path / "sheet.jpg", [count_up(2)])
