"""Safetensors files of this pack: written atomically and reproducibly, and read with a digest and other checks."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from ..atomic_write import write_whole
from ..errors import FileError
from .reading import LARGEST, checked_numbers, largest_magnitude, reading

SUFFIX = ".safetensors"
_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
_MAX_TENSORS = 4096
_DIGEST = "digest"
Metadata = Mapping[str, str]
Tensors = Mapping[str, Tensor]
T = TypeVar("T")


@dataclass(frozen=True)
class FileFormat:
    """A format of safetensors files that this pack writes.

    noun: what error sentences call a file; format, version: values in its metadata; pickled: advice for a pickle in
    place of such a file, with {name} and {stem}.
    """

    noun: str
    format: str
    version: int
    pickled: str

    def write(
        self, path: str | os.PathLike[str], tensors: Tensors, metadata: dict[str, str], dtype: torch.dtype
    ) -> None:
        """Writes a file with a digest, atomically. dtype: float16, bfloat16 or float32. Raises FileError."""
        metadata = {"format": self.format, "version": str(self.version), **metadata}
        stored = as_stored(path, tensors, dtype, self.noun)
        write_tensors(path, stored, {**metadata, _DIGEST: digest_of(metadata, stored)})

    def read(self, path: str | os.PathLike[str], parse: Callable[[Path, Metadata, Tensors], T]) -> T:
        """Reads a file, and returns what `parse` makes of its path, metadata and float32 tensors. Raises FileError.

        The digest is compared last, because the other checks give a more exact reason.
        """
        with reading(path, self.noun) as file:
            if file.suffix.lower() in (".pt", ".pth", ".bin", ".ckpt"):
                raise FileError(f"{file.name} is a pickle; {self.pickled.format(name=file.name, stem=file.stem)}")
            metadata, tensors = read_tensors(file, self.noun)
            self._check_version(file, metadata)
            for key, tensor in tensors.items():
                if tensor.dtype not in _DTYPES:
                    raise FileError(
                        f"{file.name}: {key[:200]} has dtype {tensor.dtype}, not float16, bfloat16 or float32; "
                        "save or download it again"
                    )
            parsed = parse(file, metadata, checked_numbers(file, tensors))
            _check_digest(file, metadata, tensors)
            return parsed

    def _check_version(self, path: Path, metadata: Metadata) -> None:
        if metadata.get("format") != self.format:
            raise FileError(
                f"{path.name} is no {self.noun} (a LoRA or a model, perhaps); choose a file that was trained here"
            )
        version = metadata.get("version", "")
        if not version.isdecimal():
            raise FileError(f"{path.name} names no format version ({version!r}); save or download it again")
        if int(version) > self.version:
            raise FileError(
                f"{path.name} has format version {version} and this pack reads up to {self.version}; update the pack"
            )


def digest_of(metadata: Metadata, tensors: Tensors) -> str:
    """SHA-256 of the metadata without the digest, then of each tensor in order of the keys: key, dtype, shape, bytes.

    It covers the metadata, because a changed grid, strength or prompt changes the motion too.
    """
    digest = hashlib.sha256(json.dumps(sorted((k, v) for k, v in metadata.items() if k != _DIGEST)).encode())
    for key, tensor in sorted(tensors.items()):
        digest.update(json.dumps([key, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return f"sha256:{digest.hexdigest()}"


def _check_digest(path: Path, metadata: Metadata, tensors: Tensors) -> None:
    """Raises FileError if the digest differs. Files of older versions have none."""
    if _DIGEST in metadata and metadata[_DIGEST] != digest_of(metadata, tensors):
        raise FileError(f"{path.name} was altered after it was saved: its digest differs; save or download it again")


def as_stored(path: str | os.PathLike[str], tensors: Tensors, dtype: torch.dtype, noun: str) -> dict[str, Tensor]:
    """Converts tensors to a dtype, on the CPU. Scalars stay float32. Raises FileError if a file can't hold them."""
    target = Path(path)
    if target.suffix.lower() != SUFFIX:
        raise FileError(f"{target.name} has another ending than {SUFFIX}; name the file {target.stem}{SUFFIX}")
    if dtype not in _DTYPES:
        raise FileError(f"dtype is {dtype}; a {noun} is kept as float16, bfloat16 or float32")
    stored = {key: t.detach().to("cpu", dtype if t.ndim else torch.float32).contiguous() for key, t in tensors.items()}
    for key, tensor in stored.items():
        largest = largest_magnitude(tensor)
        if largest > LARGEST:
            problem = f"up to {largest:g}, beyond {LARGEST:g}" if largest < torch.inf else f"not finite in {dtype}"
            raise FileError(f"{key} holds numbers that are {problem}; train again at a lower learning rate")
    return stored


def write_tensors(path: str | os.PathLike[str], stored: Tensors, metadata: Metadata) -> None:
    """Writes a file atomically. stored: the result of `as_stored`. Raises FileError."""
    write_whole(path, _sort_metadata(save(dict(stored), dict(metadata))))


def _sort_metadata(file: bytes) -> bytes:
    """Sorts the metadata in the bytes of a file, so that the same content gives the same bytes.

    safetensors writes metadata in random order. A file is the header's length in 8 bytes, the header as JSON padded to
    a multiple of 8, and the tensors.
    """
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    ordered = json.dumps(header, separators=(",", ":")).encode()
    ordered += b" " * (-len(ordered) % 8)
    return len(ordered).to_bytes(8, "little") + ordered + file[end:]


def read_tensors(path: Path, noun: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Reads the metadata and the tensors of a file, sorted by key. Raises FileError.

    The tensors are copies: one that lies in the file would keep it open, and Windows replaces no open file.
    """
    with reading(path, "safetensors file"), safe_open(path, "pt") as file:
        metadata = dict(file.metadata() or {})
        keys = sorted(file.keys())
        if len(keys) > _MAX_TENSORS:
            raise FileError(f"{path.name} holds {len(keys)} tensors, more than any {noun}; check the file")
        return metadata, {key: file.get_tensor(key).clone() for key in keys}


def read_format(path: str | os.PathLike[str]) -> str:
    """The format in a file's metadata. It is empty if the file has none or can't be read."""
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get("format", "")
    except Exception:  # the caller reads the file again and reports the error
        return ""


@contextmanager
def parsing_metadata(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns every error while parsing metadata into a FileError."""
    try:
        yield
    except Exception as reason:  # deeply nested JSON raises RecursionError, a too long number ValueError
        raise FileError(f"{Path(path).name} has incomplete or wrong metadata ({reason!r}); save it again") from reason
