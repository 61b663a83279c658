"""A failed write leaves no file behind, and an older file stays as it was."""

from __future__ import annotations

import errno
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from motion_core.atomic_write import write_whole
from motion_core.commands.invert import write_inverted
from motion_core.errors import MotionError
from motion_core.evaluation.jobs import encode_strip
from motion_core.formats.motion_inversion import write_official
from motion_core.formats.motion_lora import write_motion_lora
from motion_core.motions.adapter import Adapter
from motion_core.motions.adapter_parts import LowRank
from motion_core.motions.embedding import MotionEmbedding
from motion_core.video.writing import write_clip, write_sheet
from tests.conftest import seeded

BLOCK = "down_blocks.0.temp_attentions.0.transformer_blocks.0"
LAYER = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.to_q"
OLD = b"the old content"


def make_embedding() -> MotionEmbedding:
    v = {f"{BLOCK}.{own}": seeded(4, 3, 8) for own in ("attn1", "attn2")}
    return MotionEmbedding("zeroscope", {BLOCK: seeded(1, 3, 8)}, v, {BLOCK: (2, 2)})


def make_adapter() -> Adapter:
    return Adapter("animatediff", {LAYER: LowRank(seeded(2, 8), seeded(8, 2))})


def make_frames():
    return seeded(4, 16, 16, 3).sigmoid()


WRITERS: dict[str, Callable[[Path], None]] = {
    "embedding.safetensors": lambda path: make_embedding().save(path),
    "adapter.safetensors": lambda path: make_adapter().save(path),
    "motion_lora.safetensors": lambda path: write_motion_lora(make_adapter(), path),
    "official.pt": lambda path: write_official(make_embedding(), path),
    "noise.safetensors": lambda path: write_inverted(path, seeded(1, 4, 3, 8, 8), steps=4, model="tiny"),
    "clip.mp4": lambda path: write_clip(path, make_frames(), 8),
    "clip.webm": lambda path: write_clip(path, make_frames(), 8),
    "clip.gif": lambda path: write_clip(path, make_frames(), 8),
    "sheet.png": lambda path: write_sheet(path, [make_frames()]),
    "strip.png": lambda path: write_whole(path, encode_strip(make_frames())),  # as the evaluation writes it
}


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """Limits the size of files within the block. It acts like a full disk, apart from the error number."""
    resource = pytest.importorskip("resource", reason="this system has no limit to the size of files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fail_with(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


FULL = OSError(errno.ENOSPC, "No space left on device")
STEPS = {
    "full disk when the file is created": (tempfile, "mkstemp", FULL, MotionError),
    "full disk when the file is synced": (os, "fsync", FULL, MotionError),
    "full disk when the file is moved": (os, "replace", FULL, MotionError),
    "Ctrl-C when the file is synced": (os, "fsync", KeyboardInterrupt(), KeyboardInterrupt),
    "Ctrl-C when the file is moved": (os, "replace", KeyboardInterrupt(), KeyboardInterrupt),
}


@pytest.fixture(params=["over an older file", "without an older file"])
def check(request, tmp_path):
    """Returns a path, and a function that checks that the folder is unchanged and that writing works again."""

    def list_files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def prepare(name: str) -> tuple[Path, Callable[[], None]]:
        path = tmp_path / name
        if request.param == "over an older file":
            path.write_bytes(OLD)
        before = list_files()

        def check() -> None:
            assert list_files() == before
            WRITERS[name](path)
            assert set(list_files()) == {name} and list_files()[name] not in (OLD, b"")

        return path, check

    return prepare


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_no_partial_file(tmp_path_factory, check, name):
    complete = tmp_path_factory.mktemp("whole") / name
    WRITERS[name](complete)
    path, check_nothing_changed = check(name)
    rng = random.Random(name)
    for _ in range(3):
        limit = rng.randrange(complete.stat().st_size)
        with full_after(limit), pytest.raises(MotionError, match=r"can't be written .*; check that .* has free space"):
            WRITERS[name](path)
    check_nothing_changed()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", WRITERS)
def test_a_fault_at_any_step_of_writing_leaves_no_partial_file(monkeypatch, check, name, step):
    owner, function, error, expected = STEPS[step]
    path, check_nothing_changed = check(name)
    with monkeypatch.context() as patch, pytest.raises(expected):
        patch.setattr(owner, function, fail_with(error))
        WRITERS[name](path)
    check_nothing_changed()
