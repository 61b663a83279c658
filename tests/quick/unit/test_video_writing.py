"""Writing clips and contact sheets: round trips, and the state after a failure."""

import errno
import os
from pathlib import Path

import av
import pytest
import torch
from clip_files import CODING_LOSS, count_up, draw_noise, read_numbers, write_images
from PIL import Image

from motion_core.errors import OptionError, VideoError
from motion_core.video import writing as video_writing
from motion_core.video.pictures import contact_sheets as sheets
from motion_core.video.reading import read_clip
from motion_core.video.writing import write_clip, write_sheet

# ---- round trips


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_a_written_clip_is_read_back(tmp_path, suffix):
    write_clip(tmp_path / f"clip{suffix}", count_up(), 10)
    clip = read_clip(tmp_path / f"clip{suffix}")
    assert clip.frames.shape == (12, 48, 64, 3) and clip.frames.dtype == torch.float32
    assert read_numbers(clip) == list(range(12))
    assert clip.fps == pytest.approx(10)


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_colours_are_read_back(tmp_path, suffix):
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.9, 0.5, 0.1], [0.2, 0.3, 0.8], [1, 1, 1]])
    frames = colours.repeat_interleave(16, 0)[None, :, None].expand(4, -1, 64, -1)
    write_clip(tmp_path / f"clip{suffix}", frames, 8)
    centres = read_clip(tmp_path / f"clip{suffix}").frames[:, 8::16, 32]
    assert (centres - colours).abs().max() * 255 <= CODING_LOSS


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_the_mean_brightness_is_read_back(tmp_path, suffix):
    frames = draw_noise(4).mul(0.2).add(0.4)
    write_clip(tmp_path / f"clip{suffix}", frames, 8)
    assert (read_clip(tmp_path / f"clip{suffix}").frames - frames).mean().abs() * 255 < 0.5


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_a_folder_is_read_in_natural_order(tmp_path, suffix):
    clip = read_clip(write_images(tmp_path / "images", count_up(), suffix))
    assert read_numbers(clip) == list(range(12))  # frame10 after frame9
    assert clip.fps == 8


def test_a_gif_keeps_frames_that_are_alike(tmp_path):
    write_clip(tmp_path / "still.gif", torch.full((6, 16, 16, 3), 0.5), 8)
    assert len(read_clip(tmp_path / "still.gif").frames) == 6


def test_a_gif_loops_for_ever(tmp_path):
    write_clip(tmp_path / "clip.gif", count_up(3), 8)
    with Image.open(tmp_path / "clip.gif") as image:
        assert image.info["loop"] == 0


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_odd_sides_are_padded_by_their_edge(tmp_path, suffix):
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


def test_values_out_of_range_are_clamped(tmp_path):
    frames = torch.stack([torch.full((16, 16, 3), value) for value in (-3.0, 5.0, float("nan"), float("inf"))])
    write_clip(tmp_path / "clip.mp4", frames.to(torch.bfloat16), 8)
    assert read_clip(tmp_path / "clip.mp4").frames[:, 8, 8, 0].tolist() == pytest.approx([0, 1, 0, 1], abs=0.02)


# ---- errors


@pytest.mark.parametrize("name", ["clip.avi", "clip", "clip.png"])
def test_an_unknown_suffix_is_refused(tmp_path, name):
    with pytest.raises(VideoError, match=r"\.mp4, \.webm, \.gif"):
        write_clip(tmp_path / name, count_up(), 8)


@pytest.mark.parametrize(
    "frames, fps, message",
    [
        (torch.zeros(4, 3, 16, 16), 8, r"shape \(4, 3, 16, 16\), torch.float32, must be \(N, H, W, 3\)"),
        (torch.zeros(16, 16, 3), 8, r"shape \(16, 16, 3\)"),
        (torch.zeros(0, 16, 16, 3), 8, r"shape \(0, 16, 16, 3\)"),
        (torch.zeros(4, 16, 16, 3, dtype=torch.uint8), 8, "torch.uint8, must be"),
        (torch.zeros(4, 16, 16, 3), 0, "fps=0 must be from 0.01 to 240"),
        (torch.zeros(4, 16, 16, 3), float("nan"), "fps=nan"),
        (torch.zeros(4, 16, 16, 3), 1000, "fps=1000"),
    ],
)
def test_frames_of_another_shape_or_dtype_and_rates_out_of_range_are_refused(tmp_path, frames, fps, message):
    with pytest.raises(OptionError, match=message):
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
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, owner, name, fault, file):
    (tmp_path / file).write_bytes(b"the old one")
    monkeypatch.setattr(owner, name, fault)
    with pytest.raises(VideoError, match=f"{file} can't be written .No space left"):
        if file == "sheet.png":
            write_sheet(tmp_path / file, [count_up(2)])
        else:
            write_clip(tmp_path / file, count_up(2), 8)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(file, b"the old one")]


def test_a_failing_encoder_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "clip.mp4").write_bytes(b"the old one")
    monkeypatch.setattr(video_writing.av, "open", fill_disk)
    with pytest.raises(VideoError, match="No space left"):
        write_clip(tmp_path / "clip.mp4", count_up(2), 8)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the old one"]


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(VideoError, match="folder exists"):
        write_clip(tmp_path / "nowhere" / "clip.mp4", count_up(2), 8)


# ---- contact sheets


def test_a_sheet_shows_evenly_spaced_frames(tmp_path):
    gap = sheets.GAP
    write_sheet(tmp_path / "sheet.png", [count_up(11, 20, 24), count_up(2, 20, 24, step=100)], scale=2, columns=6)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (gap + 6 * (48 + gap), gap + 2 * (40 + gap))
        levels = [sheet.getpixel((gap + column * (48 + gap) + 24, gap + 20))[0] for column in range(6)]
        assert levels == [0, 40, 80, 120, 160, 200]
        assert sheet.getpixel((gap + 24 + 48 + gap, gap + 20 + 40 + gap)) == (100, 100, 100)
        assert sheet.getpixel((sheet.width - 10, sheet.height - 10)) == sheets.BACKGROUND


def test_a_sheet_enlarges_without_smoothing(tmp_path):
    frames = torch.zeros(1, 2, 2, 3)
    frames[0, 0, 0] = 1
    write_sheet(tmp_path / "sheet.png", [frames], scale=8)
    gap = sheets.GAP
    with Image.open(tmp_path / "sheet.png") as sheet:
        patch = sheet.crop((gap, gap, gap + 16, gap + 16))
    assert sorted(patch.getcolors()) == [(64, (255, 255, 255)), (192, (0, 0, 0))]


def test_labels_of_a_sheet_are_to_the_left_of_their_rows(tmp_path):
    write_sheet(tmp_path / "plain.png", [torch.zeros(2, 32, 32, 3)] * 2)
    write_sheet(tmp_path / "labelled.png", [torch.zeros(2, 32, 32, 3)] * 2, ["a bear", ""])
    with Image.open(tmp_path / "plain.png") as plain, Image.open(tmp_path / "labelled.png") as labelled:
        assert labelled.height == plain.height
        margin = labelled.width - plain.width
        assert margin > 20
        brightest = [labelled.crop((0, top, margin, top + 32)).convert("L").getextrema()[1] for top in (4, 40)]
    assert brightest[0] > 150 and brightest[1] < 50  # only the first row has a text


@pytest.mark.parametrize(
    "options, message",
    [
        ({"rows": []}, "rows=0"),
        ({"scale": 0}, "scale=0"),
        ({"columns": 0}, "columns=0"),
        ({"labels": ["a", "b"]}, "labels=2 and rows=1"),
        ({"rows": [torch.zeros(2, 3, 8, 8)]}, r"shape \(2, 3, 8, 8\)"),
    ],
)
def test_sheet_options_out_of_range_are_refused(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        write_sheet(tmp_path / "sheet.png", **{"rows": [count_up(2)], **options})


def test_a_sheet_that_is_no_png_is_refused(tmp_path):
    with pytest.raises(VideoError, match=r"\.png"):
        write_sheet(tmp_path / "sheet.jpg", [count_up(2)])
