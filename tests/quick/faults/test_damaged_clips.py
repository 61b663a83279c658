"""A thousand damaged clips: each is read correctly or refused in one sentence.

They are read in another process, so that a crash, a hang or too much memory fails the test alone.
"""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from clip_files import draw_noise, encode_video

from motion_core.video.pictures.pixels import to_image
from motion_core.video.writing import write_clip

COPIES = 1000
FRAMES = 8
GROWTH = 2**30  # bytes
TIMEOUT = 100  # seconds for all copies of one format
FORMATS = ("clip.mp4", "front.mp4", "clip.webm", "clip.mkv", "clip.gif", "clip.png", "clip.webp")


def write(path: Path) -> Path:
    frames = draw_noise(FRAMES, 16, 24)
    if path.name == "front.mp4":
        return encode_video(path, frames, times=list(range(0, FRAMES * 3, 3)), options={"movflags": "faststart"})
    if path.suffix == ".mkv":
        return encode_video(path, frames, "ffv1")
    if path.suffix in (".png", ".webp"):
        first, *others = (to_image(frame) for frame in frames)
        kind = {"lossless": True} if path.suffix == ".webp" else {}
        first.save(path, path.suffix[1:], save_all=True, append_images=others, duration=125, **kind)
        return path
    write_clip(path, frames, 8)
    return path


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(1, len(data)) :]


def overwrite(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 20)):
        data[rng.randrange(len(data))] = rng.randrange(256)


def swap(data: bytearray, rng: random.Random) -> None:
    length = rng.randint(1, len(data) // 4)
    one, other = rng.randrange(len(data) // 2 - length), rng.randrange(len(data) // 2, len(data) - length)
    data[one : one + length], data[other : other + length] = data[other : other + length], data[one : one + length]


def zero(data: bytearray, rng: random.Random) -> None:
    offset, length = rng.randrange(len(data)), rng.randint(1, 400)
    data[offset : offset + length] = bytes(len(data[offset : offset + length]))


def alter_header(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 6)):
        data[rng.randrange(min(800, len(data)))] ^= 1 << rng.randrange(8)


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (cut, overwrite, swap, zero, alter_header)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_clips_are_read_correctly_or_refused_in_one_sentence(tmp_path, name):
    whole = write(tmp_path / name)
    data = whole.read_bytes()
    folder = tmp_path / "damaged"
    folder.mkdir()
    for number in range(-(-COPIES // len(FORMATS))):
        rng = random.Random(f"{name} {number}")
        damaged = bytearray(data)
        DAMAGES[number % len(DAMAGES)](damaged, rng)
        (folder / f"{number:03}{whole.suffix}").write_bytes(damaged)
    outcomes = read_all(whole, folder)
    assert len(outcomes) == len(list(folder.iterdir()))
    unclear = {copy: kind for copy, kind in outcomes.items() if kind not in ("correct", "refused", "altered")}
    assert not unclear
    if name in ("clip.png",):  # checksums cover every byte of it
        assert "altered" not in outcomes.values()


def read_all(whole: Path, folder: Path) -> dict[str, str]:
    """The outcome for each copy. Fails if the reader hangs, crashes or uses more than GROWTH."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("read_damaged.py"), whole, folder],
        cwd=Path(__file__).parents[3],
        preexec_fn=limit_memory if sys.platform == "linux" else None,  # others have no such limit
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["growth"] < GROWTH
    return report["outcomes"]


def limit_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (16 * GROWTH, 16 * GROWTH))  # torch alone reserves several
