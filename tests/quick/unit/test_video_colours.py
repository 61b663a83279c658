"""Colours and shape of pixels: transparency, HDR, wide gamut, and pixels that are not square."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch
from clip_files import read_numbers, refusal
from PIL import Image
from torch import Tensor

from motion_core.video import decoding
from motion_core.video.frames.tone_mapping import HLG, PQ, WIDE, decode_hlg, decode_pq, encode_pq, map_tones
from motion_core.video.reading import read_clip


def write_flat(path: Path, levels: Tensor, codec: str, pixel_format: str, **kind) -> Path:
    """Writes two uniform frames (48, 64). levels: of each plane; kind: aspect, and attributes of the codec."""
    aspect = kind.pop("aspect", None)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=8, options=kind.pop("options", {}))
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        for name, value in kind.items():
            setattr(stream.codec_context, name, value)
        if aspect:
            stream.codec_context.sample_aspect_ratio = stream.sample_aspect_ratio = aspect
        for number in range(2):
            picture = av.VideoFrame(64, 48, pixel_format)
            for plane, level in zip(picture.planes, levels.tolist(), strict=True):
                sample = level.to_bytes(2 if "10" in pixel_format else 1, "little")
                plane.update(sample * (plane.buffer_size // len(sample)))
            picture.pts = number
            for name, value in kind.items():
                if name != "options":
                    setattr(picture, name, value)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
@pytest.mark.parametrize("alpha, expected", [(0, 0), (255, 214), (128, 107)])
def test_transparency_of_a_webm_becomes_black(tmp_path, codec, alpha, expected):
    levels = torch.tensor([200, 128, 128, alpha])
    path = write_flat(tmp_path / "clear.webm", levels, codec, "yuva420p", options={"auto-alt-ref": "0"})
    assert read_clip(path).frames.mul(255).sub(expected).abs().max() <= 3.5


def test_transparency_without_a_decoder_is_refused(tmp_path, monkeypatch):
    levels = torch.tensor([200, 128, 128, 0])
    path = write_flat(tmp_path / "clear.webm", levels, "libvpx-vp9", "yuva420p", options={"auto-alt-ref": "0"})
    monkeypatch.setattr(decoding, "ALPHA_DECODERS", {"vp9": "no-such-decoder"})
    assert "transparency" in refusal(path)


def test_transparency_of_images_becomes_black(tmp_path):
    clear = [Image.new("RGBA", (16, 16), (255, 255, 255, alpha)) for alpha in (0, 128, 255)]
    (tmp_path / "images").mkdir()
    for number, image in enumerate(clear):
        image.save(tmp_path / "images" / f"{number}.png")
    levels = read_clip(tmp_path / "images").frames[:, 8, 8, 0]
    assert levels.tolist() == pytest.approx([0, 128 / 255, 1], abs=1e-6)


def test_transparency_of_a_gif_becomes_black(tmp_path):
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


@pytest.mark.parametrize("aspect, shape", [(Fraction(2), (48, 128)), (Fraction(1, 2), (96, 64)), (None, (48, 64))])
def test_pixels_that_are_not_square_are_stretched_to_squares(tmp_path, aspect, shape):
    path = write_flat(tmp_path / "wide.mp4", torch.tensor([120, 128, 128]), "libx264", "yuv420p", aspect=aspect)
    assert read_clip(path).frames.shape[1:3] == shape


def test_pq_and_hlg_decode_to_the_light_of_the_standard():
    """BT.2100 and BT.2408: PQ 0.58 is 203 nits, 0.7518 is 1000; HLG 0.75 is 203 nits, 1 is 1000."""
    assert decode_pq(torch.tensor([0.0, 0.5807, 0.7518, 1.0])).tolist() == pytest.approx(
        [0, 203, 1000, 10000], rel=2e-3
    )
    assert decode_hlg(torch.tensor([[0.75] * 3, [1.0] * 3]))[:, 0].tolist() == pytest.approx([203, 1000], rel=5e-3)
    light = torch.tensor([0.1, 5.0, 100, 700])
    assert torch.allclose(decode_pq(encode_pq(light)), light, rtol=1e-3)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_tone_mapping_is_monotone_from_black_to_white(transfer):
    ramp = torch.linspace(0, 1, 256)[:, None].expand(-1, 3)
    mapped = map_tones(ramp, transfer, WIDE)
    assert mapped[0].max() == 0 and mapped[-1].min() > 0.99
    assert (mapped[1:, 0] >= mapped[:-1, 0] - 1e-6).all()
    assert (mapped - mapped[:, :1]).abs().max() < 2e-3  # grey stays grey


def test_wide_gamut_colours_inside_bt709_stay_the_same():
    red = torch.tensor([[0.6274, 0.0691, 0.0164]]) ** (1 / 2.4)  # BT.709's red in BT.2020 (BT.2087)
    assert map_tones(red, 1, WIDE)[0].tolist() == pytest.approx([1, 0, 0], abs=0.06)


@pytest.mark.parametrize("transfer, luma, expected", [(PQ, 573, 0.91), (HLG, 721, 0.91)])
def test_reference_white_of_an_hdr_clip_is_read_as_white(tmp_path, transfer, luma, expected):
    """Reference white is 203 nits (BT.2408). Without tone mapping it is read as 58 or 75 per cent grey."""
    levels = torch.tensor([luma, 512, 512])
    kind = {"color_trc": transfer, "color_primaries": WIDE, "colorspace": 9, "color_range": 1}
    path = write_flat(tmp_path / "hdr.mp4", levels, "libx264", "yuv420p10le", **kind)
    assert read_clip(path).frames.mean().item() == pytest.approx(expected, abs=0.02)


def test_ten_bits_and_full_range_are_scaled(tmp_path):
    ten = write_flat(tmp_path / "ten.mp4", torch.tensor([502, 512, 512]), "libx264", "yuv420p10le")
    full = write_flat(tmp_path / "full.mp4", torch.tensor([128, 128, 128]), "libx264", "yuv420p", color_range=2)
    assert read_clip(ten).frames.mean().item() == pytest.approx(0.5, abs=0.01)
    assert read_clip(full).frames.mean().item() == pytest.approx(0.5, abs=0.01)
