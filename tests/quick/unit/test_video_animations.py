"""Animated PNG and WebP as clips."""

from pathlib import Path

import pytest
from clip_files import draw_noise, read_numbers, refusal
from PIL import Image

from motion_core.video.animations import is_still_webp
from motion_core.video.frames.options import ClipOptions
from motion_core.video.pictures.pixels import to_image
from motion_core.video.reading import read_clip

SUFFIXES = [".png", ".apng", ".webp"]
CLEARED = {".png": {"disposal": 1}, ".apng": {"disposal": 1}, ".webp": {}}  # clears each frame before the next one


def write_animation(path: Path, images: list[Image.Image], **kind) -> Path:
    kind = {"lossless": True, "minimize_size": False, **kind} if path.suffix == ".webp" else kind
    first, *others = images
    form = "WEBP" if path.suffix == ".webp" else "PNG"
    first.save(path, form, save_all=True, append_images=others, **kind)
    return path


def greys(count: int = 12) -> list[Image.Image]:
    return [Image.new("RGB", (64, 48), (number * 20,) * 3) for number in range(count)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_animated_image_is_read_as_a_clip(tmp_path, suffix):
    path = write_animation(tmp_path / f"clip{suffix}", greys(), duration=125)
    clip = read_clip(path)
    assert read_numbers(clip) == list(range(12)) and clip.fps == 8
    assert read_numbers(read_clip(path, ClipOptions(frames=3, start=2, every=4))) == [2, 6, 10]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_variable_rate_becomes_the_mean_rate(tmp_path, suffix):
    path = write_animation(tmp_path / f"clip{suffix}", greys(), duration=[125] * 6 + [500] * 6)
    clip = read_clip(path)
    assert read_numbers(clip) == [1, 3, 6, 6, 7, 7, 8, 9, 9, 10, 11, 11]
    assert clip.fps == pytest.approx(3.2)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_transparency_of_an_animation_becomes_black(tmp_path, suffix):
    images = [Image.new("RGBA", (64, 48), (255, 255, 255, 0)) for _ in range(3)]
    for number, image in enumerate(images):
        image.paste((255, 255, 255, 255), (number * 16, 0, number * 16 + 16, 16))
    path = write_animation(tmp_path / f"clear{suffix}", images, duration=100, **CLEARED[suffix])
    frames = read_clip(path).frames
    for number in range(3):
        assert (frames[number, 8, 8::16, 0] > 0.5).tolist() == [number == index for index in range(4)]
        assert frames[number, 32].max() == 0


def test_the_default_image_of_an_apng_is_not_a_frame(tmp_path):
    path = write_animation(tmp_path / "clip.png", [Image.new("RGB", (64, 48), "red"), *greys(4)], default_image=True)
    assert read_numbers(read_clip(path)) == [0, 1, 2, 3]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("damage", ["cut", "hole"])
def test_a_damaged_animation_is_refused_and_its_intact_frames_can_be_read(tmp_path, suffix, damage):
    images = [to_image(frame) for frame in draw_noise()]
    path = write_animation(tmp_path / f"clip{suffix}", images, duration=125)
    whole, data = read_clip(path).frames, bytearray(path.read_bytes())
    half = len(data) // 2
    if damage == "cut":
        del data[half:]
    else:
        data[half : half + len(data) // 8] = bytes(len(data) // 8)
    path.write_bytes(data)
    assert "damaged" in refusal(path)
    if suffix != ".webp":  # its decoder needs the complete file
        assert (read_clip(path, ClipOptions(frames=3)).frames == whole[:3]).all()


def test_still_and_animated_webp_are_distinguished(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "still.webp")
    write_animation(tmp_path / "clip.webp", greys(3), duration=100)
    assert is_still_webp(tmp_path / "still.webp")
    assert not is_still_webp(tmp_path / "clip.webp")
