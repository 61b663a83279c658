"""Properties of tensor files: the same content gives the same bytes, and a digest covers every byte of content."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import PROPERTY
from torch import Tensor

from motion_core.errors import FileError
from motion_core.files.tensor_file import FileFormat

FORMAT = FileFormat("test file", "test-format", 1, "save {name} as {stem}.safetensors")
Content = tuple[dict[str, str], dict[str, Tensor]]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = TEXT.filter(lambda name: name not in ("__metadata__", "format", "version", "digest"))
DTYPES = st.sampled_from([torch.float16, torch.bfloat16, torch.float32])


@st.composite
def draw_tensor(draw: Any) -> Tensor:
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    return 100 * torch.randn(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 999))))


METADATA = st.dictionaries(NAMES, TEXT, max_size=4)
TENSORS = st.dictionaries(NAMES.filter(bool), draw_tensor(), min_size=1, max_size=4)


def write(path: Path, metadata: dict[str, str], tensors: dict[str, Tensor], dtype: torch.dtype) -> bytes:
    FORMAT.write(path, tensors, metadata, dtype)
    return path.read_bytes()


def read(path: Path) -> Content:
    """The metadata that was given to the writer, and the tensors."""
    metadata, tensors = FORMAT.read(path, lambda _, metadata, tensors: (dict(metadata), dict(tensors)))
    return {name: text for name, text in metadata.items() if name not in ("format", "version", "digest")}, tensors


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.safetensors"


@PROPERTY
@given(METADATA, TENSORS, DTYPES)
def test_written_tensors_and_metadata_are_read_back(path, metadata, tensors, dtype):
    write(path, metadata, tensors, dtype)
    read_metadata, read_tensors = read(path)
    assert read_metadata == metadata and set(read_tensors) == set(tensors)
    for key, tensor in tensors.items():
        assert read_tensors[key].shape == tensor.shape
        assert torch.equal(read_tensors[key], tensor.to(dtype if tensor.ndim else torch.float32).float())


@PROPERTY
@given(METADATA, TENSORS, DTYPES)
def test_a_file_that_is_read_and_written_again_has_the_same_bytes(path, metadata, tensors, dtype):
    content = write(path, metadata, tensors, dtype)
    assert write(path, *read(path), dtype) == content


@PROPERTY
@given(METADATA, TENSORS, DTYPES, st.randoms(use_true_random=False))
def test_the_order_of_metadata_and_tensors_does_not_change_the_bytes(path, metadata, tensors, dtype, order):
    content = write(path, metadata, tensors, dtype)
    assert write(path, shuffle(metadata, order), shuffle(tensors, order), dtype) == content


def shuffle(items: dict[str, Any], order: random.Random) -> dict[str, Any]:
    names = list(items)
    order.shuffle(names)
    return {name: items[name] for name in names}


def is_same_content(one: Content, other: Content) -> bool:
    """Whether all tensors are equal, and nothing of the one's metadata is missing or changed in the other."""
    same_tensors = one[1].keys() == other[1].keys() and all(torch.equal(one[1][key], other[1][key]) for key in one[1])
    return same_tensors and one[0].items() <= other[0].items()


@PROPERTY
@given(METADATA, TENSORS, DTYPES, st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_an_error_or_changes_no_content(path, metadata, tensors, dtype, place, change):
    """White space may change, and so may the name `digest` itself: the file then reads as one of an older version."""
    data = bytearray(write(path, metadata, tensors, dtype))
    before = read(path)
    data[place % len(data)] ^= change
    path.write_bytes(data)
    try:
        after = read(path)
    except FileError as error:
        assert path.name in str(error)
    else:
        assert is_same_content(before, after)


@PROPERTY
@given(METADATA, TENSORS, DTYPES, st.integers(0), st.integers(1, 255))
def test_a_changed_byte_of_a_tensor_is_an_error(path, metadata, tensors, dtype, place, change):
    data = bytearray(write(path, metadata, {**tensors, "one": torch.ones(1)}, dtype))
    start = 8 + int.from_bytes(data[:8], "little")
    data[start + place % (len(data) - start)] ^= change
    path.write_bytes(data)
    with pytest.raises(FileError, match="file.safetensors"):
        read(path)


@PROPERTY
@given(METADATA, TENSORS, DTYPES, st.integers(0))
def test_a_file_that_is_cut_off_is_an_error(path, metadata, tensors, dtype, place):
    data = write(path, metadata, tensors, dtype)
    path.write_bytes(data[: place % len(data)])
    with pytest.raises(FileError, match="file.safetensors"):
        read(path)
