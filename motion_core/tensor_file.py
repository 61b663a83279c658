"""`.safetensors` files: written whole, the same content giving the same bytes, and read with every check."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .errors import FileError
from .writing import replacing

_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
_MOST_BYTES, _MOST_TENSORS = 8 * 2**30, 4096


@dataclass(frozen=True)
class Kind:
    """A kind of file of ours. noun: what sentences call it; format and version: what its metadata says;
    pickled: what to do about a pickle, with {name} and {stem}.
    """

    noun: str
    format: str
    version: int
    pickled: str

    def write(
        self, path: str | os.PathLike[str], tensors: Mapping[str, Tensor], about: dict[str, str], dtype: torch.dtype
    ) -> None:
        """Write the file, whole or not at all. dtype: float16, bfloat16 or float32. Raises FileError."""
        about = {"format": self.format, "version": str(self.version), **about}
        write_tensors(path, tensors, about, dtype, self.noun)

    def read(self, path: str | os.PathLike[str]) -> tuple[dict[str, str], dict[str, Tensor]]:
        """(metadata, tensors) of a file of this kind, up to this version. Raises FileError."""
        target = Path(path)
        if target.is_file() and target.suffix in (".pt", ".pth", ".bin", ".ckpt"):
            raise FileError(f"{target.name} is a pickle; {self.pickled.format(name=target.name, stem=target.stem)}")
        about, tensors = read_tensors(target, self.noun)
        self._check_description(target, about)
        return about, tensors

    def _check_description(self, path: Path, about: Mapping[str, str]) -> None:
        if about.get("format") != self.format:
            raise FileError(
                f"{path.name} is no {self.noun} (a LoRA or a model, perhaps); choose a file that was learnt here"
            )
        version = about.get("version", "")
        if not version.isdecimal():
            raise FileError(f"{path.name} names no format version ({version!r}); save or download it again")
        if int(version) > self.version:
            raise FileError(
                f"{path.name} has format version {version} and this pack reads up to {self.version}; update the pack"
            )


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], about: dict[str, str], dtype: torch.dtype, noun: str
) -> None:
    """Write a file, whole or not at all; single numbers stay float32. Raises FileError."""
    target = Path(path)
    if target.suffix != ".safetensors":
        raise FileError(f"{target.name} has another ending than .safetensors; name the file {target.stem}.safetensors")
    if dtype not in _DTYPES:
        raise FileError(f"dtype is {dtype}; a {noun} is kept as float16, bfloat16 or float32")
    stored = {key: t.detach().to("cpu", dtype if t.ndim else torch.float32).contiguous() for key, t in tensors.items()}
    lost = [key for key, t in stored.items() if not t.isfinite().all()]
    if lost:
        raise FileError(f"{lost[0]} holds numbers that are not finite in {dtype}; learn again at a lower learning rate")
    with replacing(target) as scratch:
        scratch.write_bytes(_order_header(save(stored, about)))


def _order_header(file: bytes) -> bytes:
    """The same file with its metadata in order: safetensors shuffles it, and the same content shall give the same
    bytes. A file is the header's length in 8 bytes, the header in JSON padded to 8, and the tensors.
    """
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    ordered = json.dumps(header, separators=(",", ":")).encode()
    ordered += b" " * (-len(ordered) % 8)
    return len(ordered).to_bytes(8, "little") + ordered + file[end:]


def read_tensors(path: Path, noun: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """(metadata, tensors by key, in order) of a file, all finite and of a kept dtype. Raises FileError."""
    if not path.is_file():
        raise FileError(f"{path} is not there; check the name")
    if path.stat().st_size > _MOST_BYTES:
        raise FileError(f"{path.name} is larger than 8 GiB, so it is no {noun}; check the file")
    try:
        with safe_open(path, "pt") as file:
            about = dict(file.metadata() or {})
            keys = sorted(file.keys())
            if len(keys) > _MOST_TENSORS:
                raise FileError(f"{path.name} holds {len(keys)} tensors, more than any {noun}; check the file")
            tensors = {key: file.get_tensor(key) for key in keys}
    except (SafetensorError, OSError, ValueError, OverflowError) as reason:
        raise FileError(
            f"{path.name} is damaged or no safetensors file ({reason}); save or download it again"
        ) from reason
    for key, tensor in tensors.items():
        if tensor.dtype not in _DTYPES:
            raise FileError(
                f"{path.name}: {key} has dtype {tensor.dtype}, not float16, bfloat16 or float32; "
                "save or download it again"
            )
        if not tensor.isfinite().all():
            raise FileError(f"{path.name}: {key} holds numbers that are not finite; save or download it again")
    return about, tensors


def read_format(path: str | os.PathLike[str]) -> str:
    """What a file says it is, or nothing; reading it as such says what is wrong with it."""
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get("format", "")
    except (SafetensorError, OSError, ValueError, OverflowError):
        return ""


@contextmanager
def reading_description(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what goes wrong in reading metadata into a FileError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as reason:
        raise FileError(f"{Path(path).name} describes itself incompletely ({reason!r}); save it again") from reason
