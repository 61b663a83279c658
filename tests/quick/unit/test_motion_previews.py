"""The small looping preview in a motion file."""

import base64
import io
import json

import numpy
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from motion_core.commands.main import main
from motion_core.errors import OptionError
from motion_core.files.header import read_metadata
from motion_core.motions.embedding import MotionEmbedding
from motion_core.motions.motion import read_motion, with_preview
from motion_core.motions.thumbnail import KEY, describe_preview, read_preview
from motion_core.video.file_previews import MOST_BYTES, count_preview_frames, encode_preview
from tests.quick.unit.test_released_files import RELEASED

KINDS = ["embedding_1_raw.safetensors", "embedding_1_difference.safetensors", "adapter_1_low_rank.safetensors"]
START = "data:image/webp;base64,"


def move_square(frames=12, height=40, width=64):
    clip = torch.zeros(frames, height, width, 3)
    for number in range(frames):
        clip[number, 10:20, 3 * number : 3 * number + 10, 0] = 1
    return clip


def encode_image(form, size=(8, 8), **options):
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, form, **options)
    return buffer.getvalue()


def as_url(data, start=START):
    return start + base64.b64encode(data).decode()


@pytest.mark.parametrize("shape", [(16, 64, 64), (60, 320, 576), (3, 8, 700), (1, 20, 20)])
@pytest.mark.parametrize("make", [torch.rand, torch.zeros], ids=["noise", "black"])
def test_whatever_the_frames_a_preview_fits(shape, make):
    data = encode_preview(make(*shape, 3), 8.0)
    assert 0 < len(data) <= MOST_BYTES and 1 <= count_preview_frames(data) <= 48


def test_a_preview_loops_at_the_references_speed_and_looks_like_it():
    frames = move_square()
    data = encode_preview(frames, 10.0)
    assert data == encode_preview(frames, 10.0)
    with Image.open(io.BytesIO(data)) as image:
        assert image.n_frames == 12 and image.size == (64, 40) and image.info["loop"] == 0
        for number in range(12):
            image.seek(number)
            image.load()
            assert image.info["duration"] == 100
            shown = numpy.asarray(image.convert("RGB")) / 255
            assert abs(shown - frames[number].numpy()).mean() < 0.03


def test_a_long_clip_keeps_its_duration():
    with Image.open(io.BytesIO(encode_preview(move_square(96, 30, 330), 24.0))) as image:
        assert image.n_frames == 48 and image.size == (256, 23)
        image.seek(1)
        image.load()
        assert image.info["duration"] == pytest.approx(2 * 1000 / 24, abs=1)


def test_frames_of_another_shape_are_refused():
    with pytest.raises(OptionError, match="frames of shape"):
        encode_preview(torch.zeros(4, 8, 8), 8.0)


@pytest.mark.parametrize("name", KINDS)
def test_a_motion_keeps_its_preview_and_its_bytes(name, tmp_path):
    plain, previewed, again, replaced = (tmp_path / f"{part}.safetensors" for part in "abcd")
    motion = read_motion(RELEASED / name)
    motion.save(plain)
    with_preview(motion, move_square()).save(previewed)
    loaded = read_motion(previewed)
    loaded.save(again)
    with_preview(loaded, 1 - move_square()).save(replaced)
    assert again.read_bytes() == previewed.read_bytes() != replaced.read_bytes()
    assert not read_motion(plain).origin.preview and read_preview(read_metadata(plain)) == b""
    assert (
        loaded.origin.preview
        == read_preview(read_metadata(previewed))
        == encode_preview(move_square(), motion.origin.fps or 8.0)
    )
    with safe_open(plain, "pt") as one, safe_open(previewed, "pt") as other:
        before, after = one.metadata(), other.metadata()
    assert set(after) - set(before) == {KEY} and before | {"digest": ""} == {
        key: text for key, text in (after | {"digest": ""}).items() if key != KEY
    }
    for a, b in zip(read_motion(plain).parameters, loaded.parameters, strict=True):
        assert torch.equal(a, b)


def test_a_preview_survives_what_is_done_to_a_motion(tmp_path):
    motion = with_preview(MotionEmbedding.load(RELEASED / KINDS[0]), move_square())
    for changed in (motion.debiased("mean"), motion.resized(motion.frames + 3), motion.detached()):
        assert changed.origin.preview == motion.origin.preview


ANIMATED = encode_preview(move_square(), 8.0)
HOSTILE = {
    "nothing": "",
    "an SVG": as_url(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "data:image/svg+xml;base64,"),
    "an SVG that says it is a WebP": as_url(b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "a page": "data:text/html,<script>alert(1)</script>",
    "an address": "https://example.com/a.webp",
    "a script": "javascript:alert(1)",
    "no base64": START + "!!!",
    "base64 with more after it": as_url(ANIMATED) + '"><script>',
    "base64 with line breaks": START + "\n".join(base64.b64encode(ANIMATED).decode()),
    "letters beyond ASCII": START + "\u00e9" * 40,
    "too much": as_url(ANIMATED + b"\0" * MOST_BYTES),
    "a gigantic text": START + "A" * 10_000_000,
    "a PNG": as_url(encode_image("PNG")),
    "a large picture": as_url(encode_image("WEBP", (1024, 1024))),
    "half a picture": as_url(encode_image("WEBP", (200, 200))[:40]),
    "a head alone": as_url(b"RIFF\x00\x00\x00\x00WEBP"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_preview_is_none_and_the_motion_is_read(case, tmp_path, monkeypatch):
    assert read_preview({KEY: HOSTILE[case]}) == b""
    path = tmp_path / "a.safetensors"
    monkeypatch.setattr("motion_core.motions.origin.describe_preview", lambda preview: {KEY: HOSTILE[case]})
    motion = read_motion(RELEASED / KINDS[0])
    motion.save(path)
    monkeypatch.undo()
    loaded = read_motion(path)
    assert not loaded.origin.preview and loaded.frames == motion.frames
    assert read_preview(read_metadata(path)) == b""


def write_header(path, header, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text)
    return path


@pytest.mark.parametrize(
    ("header", "length"),
    [
        (b"", 0), (b"", 2**63), (b"{", None), (b"[" * 200_000, None), ([], None), ({"__metadata__": 3}, None),
        ({"__metadata__": [1]}, None), ({"__metadata__": {KEY: 5}}, None), (b"\xff\xfe", None),
        ({"__metadata__": {"a": "b" * 2**21}}, None),
    ],
)  # fmt: skip
def test_a_hostile_header_has_no_metadata(header, length, tmp_path):
    assert read_metadata(write_header(tmp_path / "a.safetensors", header, length)) == {}


def test_a_header_is_read_without_the_tensors(tmp_path):
    metadata = describe_preview(ANIMATED)
    path = write_header(tmp_path / "a.safetensors", {"__metadata__": metadata, "x": {"dtype": "F32"}})
    assert read_preview(read_metadata(path)) == ANIMATED
    assert read_metadata(tmp_path) == read_metadata(tmp_path / "none.safetensors") == {}


def test_inspect_says_whether_there_is_a_preview_and_writes_it(tmp_path, capsys):
    motion, path, target = read_motion(RELEASED / KINDS[0]), tmp_path / "a.safetensors", tmp_path / "out.webp"
    motion.save(path)
    assert main(["inspect", str(path)]) == 0 and "preview    none" in capsys.readouterr().out
    assert main(["inspect", str(path), "--preview", str(target)]) == 1 and not target.exists()
    assert "has no preview" in capsys.readouterr().err
    with_preview(motion, move_square()).save(path)
    assert main(["inspect", str(path), "--preview", str(tmp_path / "out.gif")]) == 1
    assert main(["inspect", str(path), "--preview", str(target)]) == 0
    assert "preview    12 frames, 64x40" in capsys.readouterr().out
    assert target.read_bytes() == read_motion(path).origin.preview
