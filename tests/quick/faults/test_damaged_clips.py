"""A thousand damaged clips: each is read right or refused in one sentence, and nothing hangs, crashes or grows.

Readers are processes of their own, so that a crash, a hang or too much memory is seen and not shared.
"""

import json
import random
import resource
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
PATIENCE = 100  # seconds for all copies of one format
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


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(1, len(data)) :]


def overwrite(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 20)):
        data[chance.randrange(len(data))] = chance.randrange(256)


def swap(data: bytearray, chance: random.Random) -> None:
    length = chance.randint(1, len(data) // 4)
    one, other = chance.randrange(len(data) // 2 - length), chance.randrange(len(data) // 2, len(data) - length)
    data[one : one + length], data[other : other + length] = data[other : other + length], data[one : one + length]


def blank(data: bytearray, chance: random.Random) -> None:
    place, length = chance.randrange(len(data)), chance.randint(1, 400)
    data[place : place + length] = bytes(len(data[place : place + length]))


def alter_header(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 6)):
        data[chance.randrange(min(800, len(data)))] ^= 1 << chance.randrange(8)


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (cut, overwrite, swap, blank, alter_header)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_copies_are_read_right_or_refused_in_a_sentence(tmp_path, name):
    whole = write(tmp_path / name)
    data = whole.read_bytes()
    folder = tmp_path / "damaged"
    folder.mkdir()
    for number in range(-(-COPIES // len(FORMATS))):
        chance = random.Random(f"{name} {number}")
        damaged = bytearray(data)
        DAMAGES[number % len(DAMAGES)](damaged, chance)
        (folder / f"{number:03}{whole.suffix}").write_bytes(damaged)
    said = read_all(whole, folder)
    assert len(said) == len(list(folder.iterdir()))
    unclear = {copy: kind for copy, kind in said.items() if kind not in ("right", "refused", "altered")}
    assert not unclear
    if name in ("clip.png",):  # every byte of it is under a checksum
        assert "altered" not in said.values()


def read_all(whole: Path, folder: Path) -> dict[str, str]:
    """What the reader said to each copy. Fails if it hangs, crashes or takes more than GROWTH."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("read_damaged.py"), whole, folder],
        cwd=Path(__file__).parents[3],
        preexec_fn=limit_memory,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["grown"] < GROWTH
    return told["said"]


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (16 * GROWTH, 16 * GROWTH))  # torch alone reserves several
