"""Reading of files that may be damaged or hostile: one boundary for errors, and one check of tensors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FileError, MotionError, first_line

LARGEST = 1e6
"""Largest magnitude in a file. Trained values stay far below it; float16 ends at 65504."""
_MOST_BYTES = 8 * 2**30
_LOOKALIKES = {
    b"<!doctype html": "is a web page",
    b"<html": "is a web page",
    b"version https://git-lfs": "is a git-lfs pointer, which only names a file",
}


@contextmanager
def reading(path: str | os.PathLike[str], noun: str) -> Iterator[Path]:
    """Yields the path, and turns every error while reading it into a FileError. A MotionError passes as it is.

    Raises FileError at once for a missing file, one above 8 GiB, a web page or a git-lfs pointer.
    noun: what error sentences call the file.
    """
    file = Path(path)
    try:
        _require_file(file, noun)
        yield file
    except MotionError:
        raise
    except Exception as reason:  # a hostile file can raise anything, RecursionError and MemoryError too
        raise FileError(
            f"{file.name} is damaged or no {noun} ({first_line(reason)[:200]}); save or download it again"
        ) from reason


def _require_file(path: Path, noun: str) -> None:
    if not path.is_file():
        raise FileError(f"{path} does not exist; check the name")
    if path.stat().st_size > _MOST_BYTES:
        raise FileError(f"{path.name} is larger than 8 GiB, so it is no {noun}; check the file")
    with path.open("rb") as file:
        start = file.read(200).lstrip().lower()
    for sign, description in _LOOKALIKES.items():
        if start.startswith(sign):
            raise FileError(f"{path.name} {description} and no {noun}; download the file itself")


def checked_numbers(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Checks the tensors of a file and converts them to float32.

    Raises FileError for a tensor that is not dense, not of floating point, on the meta device or out of range, and for
    tensors that together are larger than the file: an expanded view can pretend to any size.
    """
    for key, tensor in tensors.items():
        problem = _find_problem(tensor)
        if problem:
            raise FileError(
                f"{path.name}: {key[:200]} is {problem}; save it as a plain tensor of float16, bfloat16 or float32"
            )
    if sum(t.numel() * t.element_size() for t in tensors.values()) > path.stat().st_size:
        raise FileError(f"{path.name} declares more numbers than it holds; save or download it again")
    return {key: _checked(path, key, tensor.detach().float()) for key, tensor in tensors.items()}


def _find_problem(tensor: Tensor) -> str:
    """Why a tensor cannot be converted to float32, or an empty string."""
    if tensor.is_meta:
        return "on the meta device, without numbers"
    if tensor.layout is not torch.strided or tensor.is_nested:
        return "not dense"
    if tensor.is_quantized or not tensor.is_floating_point():
        return f"of dtype {tensor.dtype}"
    return ""


def _checked(path: Path, key: str, tensor: Tensor) -> Tensor:
    """The tensor, if all its numbers are finite and in range. Raises FileError."""
    largest = largest_magnitude(tensor)
    if largest <= LARGEST:
        return tensor
    problem = f"up to {largest:g}, beyond {LARGEST:g}" if largest < torch.inf else "that are not finite"
    raise FileError(f"{path.name}: {key[:200]} holds numbers {problem}; save or download it again")


def largest_magnitude(tensor: Tensor) -> float:
    """The largest absolute value in a tensor: infinity if one is not finite, 0 if it is empty."""
    if not tensor.numel():
        return 0.0
    low, high = (bound.item() for bound in tensor.aminmax())
    return max(-low, high) if low == low and high == high else float("inf")
