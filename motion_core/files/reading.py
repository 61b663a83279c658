"""Files that other people made are read behind one boundary, and their tensors are checked in one place."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FileError, MotionError, first_line

LARGEST = 1e6
"""What is learnt stays far below it; float16 ends at 65504."""
_MOST_BYTES = 8 * 2**30
_LOOKALIKES = {
    b"<!doctype html": "is a web page",
    b"<html": "is a web page",
    b"version https://git-lfs": "is a git-lfs pointer, which only names a file",
}


@contextmanager
def reading(path: str | os.PathLike[str], noun: str) -> Iterator[Path]:
    """Gives the path, and turns whatever goes wrong while it is read into one FileError.

    noun: the file that is expected. Sentences of ours pass as they are. A missing, too large or misnamed file has its
    own.
    """
    file = Path(path)
    try:
        _require_file(file, noun)
        yield file
    except MotionError:
        raise
    except Exception as reason:  # a damaged or hostile file can fail in any way, RecursionError and MemoryError too
        raise FileError(
            f"{file.name} is damaged or no {noun} ({first_line(reason)[:200]}); save or download it again"
        ) from reason


def _require_file(path: Path, noun: str) -> None:
    if not path.is_file():
        raise FileError(f"{path} is not there; check the name")
    if path.stat().st_size > _MOST_BYTES:
        raise FileError(f"{path.name} is larger than 8 GiB, so it is no {noun}; check the file")
    with path.open("rb") as file:
        start = file.read(200).lstrip().lower()
    for sign, said in _LOOKALIKES.items():
        if start.startswith(sign):
            raise FileError(f"{path.name} {said} and no {noun}; download the file itself")


def checked_numbers(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in float32, dense and on the CPU. Raises FileError where one can't be had whole or is out of range.

    They may not be larger together than the file: a view can repeat a few numbers endlessly.
    """
    for key, tensor in tensors.items():
        odd = _describe_odd(tensor)
        if odd:
            raise FileError(
                f"{path.name}: {key[:200]} is {odd}; save it as a plain tensor of float16, bfloat16 or float32"
            )
    if sum(t.numel() * t.element_size() for t in tensors.values()) > path.stat().st_size:
        raise FileError(f"{path.name} declares more numbers than it holds; save or download it again")
    return {key: _checked(path, key, tensor.detach().float()) for key, tensor in tensors.items()}


def _describe_odd(tensor: Tensor) -> str:
    """What keeps a tensor's numbers from being read as they are, or nothing."""
    if tensor.is_meta:
        return "on the meta device, without numbers"
    if tensor.layout is not torch.strided or tensor.is_nested:
        return "not dense"
    if tensor.is_quantized or not tensor.is_floating_point():
        return f"of dtype {tensor.dtype}"
    return ""


def _checked(path: Path, key: str, tensor: Tensor) -> Tensor:
    largest = largest_magnitude(tensor)
    if largest <= LARGEST:
        return tensor
    said = f"up to {largest:g}, beyond {LARGEST:g}" if largest < torch.inf else "that are not finite"
    raise FileError(f"{path.name}: {key[:200]} holds numbers {said}; save or download it again")


def largest_magnitude(tensor: Tensor) -> float:
    """Of the numbers in a tensor; infinity where one is not finite, 0 where there are none."""
    if not tensor.numel():
        return 0.0
    low, high = (bound.item() for bound in tensor.aminmax())
    return max(-low, high) if low == low and high == high else float("inf")
