"""`.safetensors` files: written whole, the same content giving the same bytes, and read with every check."""

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
_MOST_TENSORS = 4096
_DIGEST = "digest"
About = Mapping[str, str]
Tensors = Mapping[str, Tensor]
T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """A kind of file of ours. noun: what sentences call it; format and version: what its metadata says;
    pickled: what to do about a pickle, with {name} and {stem}.
    """

    noun: str
    format: str
    version: int
    pickled: str

    def write(self, path: str | os.PathLike[str], tensors: Tensors, about: dict[str, str], dtype: torch.dtype) -> None:
        """Write the file with a digest, whole or not at all. dtype: float16, bfloat16 or float32. Raises FileError."""
        about = {"format": self.format, "version": str(self.version), **about}
        stored = as_stored(path, tensors, dtype, self.noun)
        write_tensors(path, stored, {**about, _DIGEST: digest_of(about, stored)})

    def read(self, path: str | os.PathLike[str], assemble: Callable[[Path, About, Tensors], T]) -> T:
        """What `assemble` makes of the path, metadata and tensors in float32 of a file of this kind. Raises FileError.

        The digest is compared last, so that the sentence names what is wrong wherever that can be seen.
        """
        with reading(path, self.noun) as file:
            if file.suffix.lower() in (".pt", ".pth", ".bin", ".ckpt"):
                raise FileError(f"{file.name} is a pickle; {self.pickled.format(name=file.name, stem=file.stem)}")
            about, tensors = read_tensors(file, self.noun)
            self._check_description(file, about)
            for key, tensor in tensors.items():
                if tensor.dtype not in _DTYPES:
                    raise FileError(
                        f"{file.name}: {key[:200]} has dtype {tensor.dtype}, not float16, bfloat16 or float32; "
                        "save or download it again"
                    )
            assembled = assemble(file, about, checked_numbers(file, tensors))
            _check_digest(file, about, tensors)
            return assembled

    def _check_description(self, path: Path, about: About) -> None:
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


def digest_of(about: About, tensors: Tensors) -> str:
    """SHA-256 over all metadata but the digest, then each tensor in the order of the keys: key, dtype, shape, bytes.

    Metadata counts, since a grid, a strength or a prompt that has changed is another motion.
    """
    said = hashlib.sha256(json.dumps(sorted((k, v) for k, v in about.items() if k != _DIGEST)).encode())
    for key, tensor in sorted(tensors.items()):
        said.update(json.dumps([key, str(tensor.dtype), list(tensor.shape)]).encode())
        said.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return f"sha256:{said.hexdigest()}"


def _check_digest(path: Path, about: About, tensors: Tensors) -> None:
    """Files from before there was a digest have none."""
    if _DIGEST in about and about[_DIGEST] != digest_of(about, tensors):
        raise FileError(f"{path.name} was altered after it was saved: its digest differs; save or download it again")


def as_stored(path: str | os.PathLike[str], tensors: Tensors, dtype: torch.dtype, noun: str) -> dict[str, Tensor]:
    """The tensors as a file holds them; single numbers stay float32. Raises FileError for what no file can hold."""
    target = Path(path)
    if target.suffix.lower() != SUFFIX:
        raise FileError(f"{target.name} has another ending than {SUFFIX}; name the file {target.stem}{SUFFIX}")
    if dtype not in _DTYPES:
        raise FileError(f"dtype is {dtype}; a {noun} is kept as float16, bfloat16 or float32")
    stored = {key: t.detach().to("cpu", dtype if t.ndim else torch.float32).contiguous() for key, t in tensors.items()}
    for key, tensor in stored.items():
        largest = largest_magnitude(tensor)
        if largest > LARGEST:
            said = f"up to {largest:g}, beyond {LARGEST:g}" if largest < torch.inf else f"not finite in {dtype}"
            raise FileError(f"{key} holds numbers that are {said}; learn again at a lower learning rate")
    return stored


def write_tensors(path: str | os.PathLike[str], stored: Tensors, about: About) -> None:
    """Write a file, whole or not at all, of what `as_stored` gave. Raises FileError."""
    write_whole(path, _order_header(save(dict(stored), dict(about))))


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
    """(metadata, tensors by key, in order) of a file, as they are in it. Raises FileError."""
    with reading(path, "safetensors file"), safe_open(path, "pt") as file:
        about = dict(file.metadata() or {})
        keys = sorted(file.keys())
        if len(keys) > _MOST_TENSORS:
            raise FileError(f"{path.name} holds {len(keys)} tensors, more than any {noun}; check the file")
        return about, {key: file.get_tensor(key) for key in keys}


def read_format(path: str | os.PathLike[str]) -> str:
    """What a file says it is, or nothing; reading it as such says what is wrong with it."""
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get("format", "")
    except Exception:  # of whatever kind; the file is read again for the sentence
        return ""


@contextmanager
def reading_description(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what goes wrong in reading metadata into a FileError."""
    try:
        yield
    except Exception as reason:  # JSON nested deeply ends in RecursionError, numbers too long in ValueError
        raise FileError(f"{Path(path).name} describes itself incompletely ({reason!r}); save it again") from reason
