"""Damages motion files and reports how each is read: `python -m tests.quick.faults.damaged_motions KIND COUNT FOLDER`.

It prints the damage of a file before reading it and the outcome after, so a crash shows at which file it happened. The
last line says by how many MiB the process has grown.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from motion_core.errors import MotionError
from motion_core.files.reading import LARGEST
from motion_core.formats.motion_inversion import read_official
from motion_core.formats.motion_lora import read_motion_lora
from motion_core.motions.adapter import Adapter
from motion_core.motions.embedding import MotionEmbedding
from tests.material.tensor_files import read_copies
from tests.quick.faults import damage
from tests.quick.faults.peak import read_peak
from tests.quick.unit import test_adapter_file, test_embedding, test_motion_inversion_file, test_motion_lora


@dataclass(frozen=True)
class Kind:
    """A kind of file. checked: whether its format has a checksum, so that no changed content may be read."""

    name: str
    write: Callable[[Path], Any]
    read: Callable[[Path], MotionEmbedding | Adapter]
    damages: tuple[damage.Damage, ...]
    checked: bool


def _without_digest(path: Path) -> None:
    test_embedding.make().save(path)
    with safe_open(path, "pt") as file:
        metadata = {name: text for name, text in file.metadata().items() if name != "digest"}
    save_file(read_copies(path), path, metadata)


def _lora() -> dict[str, torch.Tensor]:
    return test_motion_lora.stored_as(test_motion_lora.motion_director, dtype=torch.float16)


def _official(path: Path) -> MotionEmbedding:
    return read_official(path, 576, 320)


KINDS = {
    "embedding": Kind(
        "a.safetensors", lambda path: test_embedding.make().save(path), MotionEmbedding.load, damage.SAFETENSORS, True
    ),
    "adapter": Kind(
        "a.safetensors", lambda path: test_adapter_file.make().save(path), Adapter.load, damage.SAFETENSORS, True
    ),
    "without_digest": Kind("a.safetensors", _without_digest, MotionEmbedding.load, damage.SAFETENSORS, False),
    "official": Kind(
        "a.pt", lambda path: torch.save(test_motion_inversion_file.official(), path), _official, damage.ANY, True
    ),
    "motion_lora": Kind(
        "a.safetensors", lambda path: save_file(_lora(), path, {"rank": "2"}), read_motion_lora,
        damage.SAFETENSORS, False,
    ),
    "pickled_motion_lora": Kind(
        "a.ckpt", lambda path: torch.save({"state_dict": _lora()}, path), read_motion_lora, damage.ANY, True
    ),
    "repacked_official": Kind(
        "a.pt", lambda path: torch.save(test_motion_inversion_file.official(), path), _official, (damage.repack,), False
    ),
}  # fmt: skip


def describe(motion: MotionEmbedding | Adapter) -> list[Any]:
    """The whole content of a motion."""
    own = (
        [motion.grids, motion.debiased_by, sorted(motion.qk), sorted(motion.v)]
        if isinstance(motion, MotionEmbedding)
        else [(name, type(part), part.scale) for name, part in sorted(motion.parts.items())]
    )
    numbers = [(tuple(t.shape), t.numpy().tobytes()) for t in motion.parameters]
    return [motion.family, repr(motion.origin), own, numbers]


def read_outcome(kind: Kind, path: Path, expected: list[Any]) -> str:
    """`right`, `refused` or `different`, or `WRONG` and what is wrong."""
    try:
        motion = kind.read(path)
    except MotionError as error:
        message = str(error)
        return "refused" if message.isprintable() and len(message) < 1600 else f"WRONG: the sentence {message!r}"
    except BaseException as error:
        return f"WRONG: {error!r:.300}"
    if describe(motion) == expected:
        return "right"
    if kind.checked:
        return "WRONG: changed content was read"
    valid = all(t.isfinite().all() and t.abs().max() <= LARGEST for t in motion.parameters if t.numel())
    return "different" if valid else "WRONG: numbers out of range"


def main(name: str, count: int, folder: Path) -> None:
    kind = KINDS[name]
    path = folder / kind.name
    kind.write(path)
    content, expected = path.read_bytes(), describe(kind.read(path))
    before = read_peak()
    for number in range(count):
        random = Random(zlib.crc32(f"{name} {number}".encode()))
        how = kind.damages[number % len(kind.damages)]
        path.write_bytes(how(content, random))
        print(number, how.__name__, end=" ", flush=True)
        with warnings.catch_warnings(), contextlib.redirect_stderr(None):
            warnings.simplefilter("ignore")
            outcome = read_outcome(kind, path, expected)
        print(outcome, flush=True)
    print("grown", (read_peak() - before) // 2**20)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
