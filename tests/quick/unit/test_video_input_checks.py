"""Refusal of options and files in one sentence each."""

import random
import struct
import wave
import zlib
from pathlib import Path

import av
import pytest
import torch
from clip_files import add_sound, count_up, draw_noise, encode_video, read_numbers, refusal, write_images
from PIL import Image

from motion_core.errors import MotionError, OptionError
from motion_core.video import decoding
from motion_core.video.frames.options import ClipOptions
from motion_core.video.reading import read_clip
from motion_core.video.writing import write_clip

# ---- options


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
def test_options_out_of_range_are_refused(options, word):
    with pytest.raises(OptionError, match=word):
        ClipOptions(**options)


# ---- files


def test_a_missing_path_is_refused(tmp_path):
    assert "does not exist" in refusal(tmp_path / "nothing.mp4")


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no image", encoding="utf-8")
    (tmp_path / "._1.png").write_bytes(b"metadata of macOS")
    assert "no images" in refusal(tmp_path)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.mp4").touch()
    assert "is empty" in refusal(tmp_path / "empty.mp4")


def test_a_single_image_is_refused(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "one.png")
    assert "only one picture" in refusal(tmp_path / "one.png")


PLAYLISTS = ["#EXTM3U\n#EXTINF:1,\nreal.mp4\n", "ffconcat version 1.0\nfile real.mp4\n"]


@pytest.mark.parametrize("text", ["hello\n" * 100, *PLAYLISTS])
def test_a_text_or_playlist_named_mp4_is_refused(tmp_path, text):
    write_clip(tmp_path / "real.mp4", count_up(), 8)  # a playlist must not open it
    (tmp_path / "text.mp4").write_text(text, encoding="utf-8")
    assert "no video" in refusal(tmp_path / "text.mp4")


def test_a_file_with_only_sound_is_refused(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        add_sound(container, 1)
    assert "no video track" in refusal(tmp_path / "sound.mp4")
    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(8000))
    assert "only sound" in refusal(tmp_path / "sound.wav")


@pytest.mark.parametrize(
    "data, word",
    [
        (b"\n<!DOCTYPE html><title>404</title>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs"),
        (b"ID3\x04", "only sound"),
    ],
)
def test_the_error_says_what_a_file_is_that_is_no_video(tmp_path, data, word):
    (tmp_path / "clip.mp4").write_bytes(data)
    assert word in refusal(tmp_path / "clip.mp4")


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg", "bmp"])
def test_an_image_named_mp4_is_refused(tmp_path, kind):
    Image.new("RGB", (64, 64)).save(tmp_path / "one.mp4", kind)
    assert "only one picture" in refusal(tmp_path / "one.mp4")


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif", ""])
def test_a_clip_of_one_frame_is_refused(tmp_path, suffix):
    path = tmp_path / f"one{suffix}"
    if suffix:
        write_clip(path, count_up(1), 8)
    else:
        write_images(path, count_up(1))
    assert "only one frame" in refusal(path) and "at least 2" in refusal(path)


@pytest.mark.parametrize("kind", ["video", "folder"])
def test_a_clip_with_fewer_frames_than_asked_for_is_refused(tmp_path, kind):
    path = tmp_path / "clip.mp4"
    if kind == "folder":
        path = write_images(tmp_path / "images", count_up())
    else:
        write_clip(path, count_up(), 8)
    assert "has 12 frames, 4 of them with start=4 and every=2" in refusal(path, frames=5, start=4, every=2)
    assert "at most 4 frames" in refusal(path, frames=5, start=4, every=2)
    assert "12 frames, 0 of them" in refusal(path, start=12)
    assert "at least 2" in refusal(path, start=11)


def test_frames_below_eight_pixels_are_refused_unless_resized(tmp_path):
    folder = write_images(tmp_path / "images", torch.ones(2, 6, 64, 3))
    assert "64x6" in refusal(folder)
    assert read_clip(folder, ClipOptions(width=16, height=16)).frames.shape == (2, 16, 16, 3)


@pytest.mark.parametrize("name", ["cut.mp4", "front.mp4", "cut.webm", "cut.mkv", "cut.gif"])
@pytest.mark.parametrize("share", [0.004, 0.5])
def test_a_file_that_is_cut_off_is_refused_and_its_intact_frames_can_be_read(tmp_path, name, share):
    frames = draw_noise(12)
    if name == "front.mp4":  # its index is at the front, so half of the file can be decoded
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
def test_damage_in_the_middle_is_refused_and_frames_before_it_can_be_read(tmp_path, part, word):
    """A damaged packet header makes the decoder raise. It conceals damage inside a picture."""
    path = encode_video(tmp_path / "clip.mp4", draw_noise())
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[6]
        offset = packet.pos + int(packet.size * part)
    data = bytearray(path.read_bytes())
    data[offset : offset + 100] = bytes(100)
    path.write_bytes(data)
    assert word in refusal(path)
    assert len(read_clip(path, ClipOptions(frames=3)).frames) == 3


@pytest.mark.parametrize("damage", ["text", "cut", "empty"])
def test_a_damaged_image_in_a_folder_is_refused_by_name(tmp_path, damage):
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
def test_an_image_of_too_many_pixels_is_refused(tmp_path, size):
    folder = write_images(tmp_path / "images", count_up(2))
    write_png_header(folder / "frame2.png", *size)
    assert "at most 8192x8192" in refusal(folder)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8200, 20000, 60000])
def test_a_gif_of_too_many_pixels_is_refused(tmp_path, side):
    write_clip(tmp_path / "huge.gif", count_up(3), 8)
    data = bytearray((tmp_path / "huge.gif").read_bytes())
    data[6:10] = struct.pack("<HH", side, side)
    (tmp_path / "huge.gif").write_bytes(data)
    assert "at most 8192x8192" in refusal(tmp_path / "huge.gif")


def test_a_video_of_too_many_pixels_is_refused_before_decoding(tmp_path, monkeypatch):
    encode_video(tmp_path / "wide.mkv", torch.zeros(2, 16, 8200, 3), codec="ffv1")
    monkeypatch.setattr(decoding, "read_pixels", lambda *frame: pytest.fail("a frame was converted"))
    monkeypatch.setattr(decoding, "decode_frames", lambda *source: pytest.fail("a frame was decoded"))
    assert "8200x16" in refusal(tmp_path / "wide.mkv")


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_a_damaged_clip_is_refused_or_read_as_a_valid_clip(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    write_clip(path, draw_noise(4, 16, 16), 8)
    whole = path.read_bytes()
    for seed in range(40):
        rng = random.Random(seed)
        data = bytearray(whole)
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(len(data) if seed % 2 else min(600, len(data)))] = rng.randrange(256)
        path.write_bytes(data[: rng.randrange(len(data))] if seed % 3 == 0 else data)
        try:
            clip = read_clip(path)
        except MotionError as error:
            assert str(path) in str(error)
        else:
            assert len(clip.frames) >= 2 and clip.frames.isfinite().all() and 0 < clip.fps <= 240


def test_a_gif_with_zeroed_bytes_is_refused_and_frames_before_them_can_be_read(tmp_path):
    write_clip(tmp_path / "clip.gif", draw_noise(12, 16, 24), 8)
    whole = (tmp_path / "clip.gif").read_bytes()
    frames = read_clip(tmp_path / "clip.gif").frames
    for offset in range(900, len(whole) - 400, 97):
        path = tmp_path / "zeroed.gif"
        path.write_bytes(whole[:offset] + bytes(300) + whole[offset + 300 :])
        refusal(path)
        good = (offset - 900) * 12 // len(whole) - 1  # frames before the zeroed bytes
        if good >= 2:
            assert torch.equal(read_clip(path, ClipOptions(frames=good)).frames, frames[:good])


def test_a_gif_with_two_images_joined_by_damage_is_refused(tmp_path):
    images = [Image.effect_noise((24, 16), 90 + number) for number in range(6)]
    images[0].save(tmp_path / "clip.gif", save_all=True, append_images=images[1:], duration=100)
    control = b"\x21\xf9\x04"
    head, first, second, *others = (tmp_path / "clip.gif").read_bytes().split(control)
    colours = 3 << (second[14] & 7) + 1 if second[14] & 0x80 else 0
    joined = first[:-1] + second[16 + colours :]  # without the end of the first image and the header of the second
    (tmp_path / "clip.gif").write_bytes(control.join([head, joined, *others]))
    refusal(tmp_path / "clip.gif")


def test_an_interrupt_while_decoding_reaches_the_caller(tmp_path, monkeypatch):
    def interrupt(*frame):
        raise KeyboardInterrupt

    write_clip(tmp_path / "clip.mp4", count_up(), 8)
    monkeypatch.setattr(decoding, "read_pixels", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_clip(tmp_path / "clip.mp4")


def test_a_title_that_is_not_utf8_is_no_damage(tmp_path):
    path = encode_video(tmp_path / "clip.mkv", count_up(), title="Zurich")
    data = path.read_bytes()
    assert b"Zurich" in data
    path.write_bytes(data.replace(b"Zurich", b"Z\xfcrich"))  # not UTF-8
    assert read_numbers(read_clip(path)) == list(range(12))
