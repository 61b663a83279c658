"""Cropping, padding and resizing of frames."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch
from clip_files import count_up, draw_noise, read_numbers, write_images
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from properties import PROPERTY
from torch import Tensor

from motion_core.video.frames.options import FITS, ClipOptions
from motion_core.video.frames.resizing import crop_to_blocks, fit_frame
from motion_core.video.reading import read_clip


def draw_quarters(height: int, width: int) -> Tensor:
    """Two frames: red on the left, blue on the right, green in the top quarter."""
    frames = torch.zeros(2, height, width, 3)
    frames[:, :, : width // 2, 0] = 1
    frames[:, :, width // 2 :, 2] = 1
    frames[:, : height // 4] = torch.tensor([0.0, 1, 0])
    return frames


def test_crop_keeps_the_centre(tmp_path):
    frames = torch.zeros(2, 40, 80, 3)
    frames[:, :, 20:60] = 1  # exactly the central square
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


def test_pad_keeps_the_whole_frame(tmp_path):
    folder = write_images(tmp_path / "images", draw_quarters(80, 40))
    clip = read_clip(folder, ClipOptions(width=32, height=32, fit="pad"))
    assert clip.frames[0, 4, 16].tolist() == [0, 1, 0]
    assert clip.frames[0, 24, 10].tolist() == [1, 0, 0] and clip.frames[0, 24, 21].tolist() == [0, 0, 1]
    assert clip.frames[0, :, :8].max() == 0


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_shrinking_is_antialiased(tmp_path, fit):
    board = torch.zeros(2, 128, 128, 3)
    board[:, :, 1::4] = board[:, :, 2::4] = 1  # without a filter, only white columns are sampled
    clip = read_clip(write_images(tmp_path / "images", board), ClipOptions(width=32, height=32, fit=fit))
    assert (clip.frames[:, 4:-4, 4:-4] - 0.5).abs().max() < 0.05


def test_the_own_size_is_cropped_to_multiples_of_eight_without_resampling(tmp_path):
    frames = draw_noise(2, 45, 70).mul(255).round().div(255)
    clip = read_clip(write_images(tmp_path / "images", frames))
    assert torch.equal(clip.frames, frames[:, 2:42, 3:67].mul(255).round().div(255))


def test_extreme_aspects_give_the_size_in_the_options(tmp_path):
    folder = write_images(tmp_path / "images", torch.ones(2, 8, 600, 3))
    for fit in ("crop", "pad"):
        assert read_clip(folder, ClipOptions(width=8, height=64, fit=fit)).frames.shape == (2, 64, 8, 3)


def test_images_of_several_sizes_get_the_size_of_the_first(tmp_path):
    folder = write_images(tmp_path / "images", count_up(2, 48, 64))
    Image.new("RGB", (200, 48), (40, 40, 40)).save(folder / "frame2.png")
    Image.new("RGB", (64, 96), (60, 60, 60)).save(folder / "frame3.png")
    clip = read_clip(folder)
    assert clip.frames.shape == (4, 48, 64, 3)
    assert read_numbers(clip) == [0, 1, 2, 3]


def test_a_video_that_changes_its_size_gets_the_size_of_the_first_frame(tmp_path):
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


# ---- properties

SIDES = st.integers(1, 80)
SIZES = st.integers(1, 12).map(lambda blocks: 8 * blocks)


def draw_frame(height: int, width: int) -> Tensor:
    return torch.randint(1, 255, (height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@PROPERTY
@given(SIDES, SIDES, SIZES, SIZES, st.sampled_from(FITS))
def test_any_frame_becomes_one_of_the_size_in_the_options(height, width, new_height, new_width, fit):
    fitted = fit_frame(draw_frame(height, width), new_height, new_width, fit)
    assert fitted.shape == (new_height, new_width, 3) and fitted.dtype == torch.uint8


@PROPERTY
@given(SIDES, SIDES, SIZES, SIZES, st.sampled_from(FITS))
def test_resizing_invents_no_colour_outside_the_range_of_the_frame(height, width, new_height, new_width, fit):
    frame = draw_frame(height, width)
    fitted = fit_frame(frame, new_height, new_width, fit)
    picture = fitted if fit == "crop" else fitted[fitted.amax(-1) > 0]
    assert picture.numel() and frame.min() <= picture.min() and picture.max() <= frame.max()


@PROPERTY
@given(SIDES, SIDES, SIZES, SIZES)
def test_padding_centres_the_whole_frame_and_keeps_its_aspect(height, width, new_height, new_width):
    white = torch.full((height, width, 3), 255, dtype=torch.uint8)
    rows, columns = (fit_frame(white, new_height, new_width, "pad").amax(-1) == 255).nonzero().unbind(1)
    inner_height, inner_width = len(rows.unique()), len(columns.unique())
    assert len(rows) == inner_height * inner_width  # one rectangle
    for inner, outer, places in ((inner_height, new_height, rows), (inner_width, new_width, columns)):
        before, after = int(places.min()), outer - 1 - int(places.max())
        assert 0 <= after - before <= 1 and before + inner + after == outer
    assert inner_height == new_height or inner_width == new_width
    scale = min(new_height / height, new_width / width)
    assert abs(inner_height - max(1, height * scale)) <= 0.5 and abs(inner_width - max(1, width * scale)) <= 0.5


@PROPERTY
@given(st.integers(8, 80), st.integers(8, 80))
def test_cropping_to_blocks_loses_fewer_than_eight_pixels_of_a_side(height, width):
    frame = draw_frame(height, width)
    cropped = crop_to_blocks(frame, Path("clip.mp4"))
    assert all(side % 8 == 0 and 0 <= old - side < 8 for old, side in zip((height, width), cropped.shape, strict=False))
    top, left = (height - cropped.shape[0]) // 2, (width - cropped.shape[1]) // 2
    assert torch.equal(cropped, frame[top : top + cropped.shape[0], left : left + cropped.shape[1]])
