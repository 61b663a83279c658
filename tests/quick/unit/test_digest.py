"""The digest of a motion file: what it covers, and files without one."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from motion_core.errors import FileError
from motion_core.motions.adapter import Adapter
from motion_core.motions.embedding import MotionEmbedding
from motion_core.starter.folder import MOTION_FOLDER
from tests.material.tensor_files import read_copies
from tests.quick.unit import test_adapter_file, test_embedding

MAKERS = {"embedding": test_embedding.make, "adapter": test_adapter_file.make}


@pytest.fixture(params=MAKERS)
def motion(request):
    return MAKERS[request.param]()


@pytest.fixture
def saved(motion, tmp_path):
    motion.save(tmp_path / "motion.safetensors")
    return tmp_path / "motion.safetensors"


def read_metadata(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


def same(one, other):
    return one.origin == other.origin and all(map(torch.equal, one.parameters, other.parameters))


def test_an_altered_number_is_refused(motion, saved):
    tensors, metadata = read_copies(saved), read_metadata(saved)
    key = sorted(tensors)[-1]
    tensors[key].view(-1)[0] += 0.5
    save_file(tensors, saved, metadata)
    with pytest.raises(FileError, match="motion.safetensors was altered after it was saved.*download it again"):
        type(motion).load(saved)


@pytest.mark.parametrize(
    "change",
    [{"prompt": "a blue square"}, {"seed": "6"}, {"width": "56"}, {"added": "by someone"}, {"recipe": '{"apply": {}}'}],
)
def test_altered_metadata_is_refused(motion, saved, change):
    save_file(read_copies(saved), saved, {**read_metadata(saved), **change})
    with pytest.raises(FileError, match="altered"):
        type(motion).load(saved)


def test_swapped_tensors_are_refused(motion, saved):
    tensors, metadata = read_copies(saved), read_metadata(saved)
    one, other = next((a, b) for a in tensors for b in tensors if a < b and tensors[a].shape == tensors[b].shape)
    tensors[one], tensors[other] = tensors[other] * 2, tensors[one] * 2
    save_file(tensors, saved, metadata)
    with pytest.raises(FileError, match="altered"):
        type(motion).load(saved)


def test_a_file_without_a_digest_is_read(motion, saved):
    before = {name: text for name, text in read_metadata(saved).items() if name != "digest"}
    save_file(read_copies(saved), saved, before)
    loaded = type(motion).load(saved)
    loaded.save(saved)
    assert "digest" in read_metadata(saved) and same(loaded, type(motion).load(saved))


def test_the_digest_does_not_change_the_format_version(saved):
    metadata = read_metadata(saved)
    assert metadata["version"] == "1" and metadata["digest"].startswith("sha256:")
    assert all(isinstance(json.loads(metadata[name]), dict) for name in ("recipe", "grids") if name in metadata)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_file_that_is_read_and_saved_again_has_the_same_bytes_in_each_precision(motion, tmp_path, dtype):
    motion.save(tmp_path / "a.safetensors", dtype)
    loaded = type(motion).load(tmp_path / "a.safetensors")
    loaded.save(tmp_path / "b.safetensors", dtype)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize(("number", "message"), [(1e30, "up to 1e\\+30, beyond 1e\\+06"), (torch.inf, "not finite")])
def test_numbers_out_of_range_are_neither_read_nor_written(motion, saved, number, message):
    tensors, metadata = read_copies(saved), read_metadata(saved)
    key = next(key for key, tensor in tensors.items() if tensor.ndim)
    tensors[key] = tensors[key].float()
    tensors[key].view(-1)[0] = number
    save_file(tensors, saved, metadata)
    before = saved.read_bytes()
    with pytest.raises(FileError, match=message):
        type(motion).load(saved)
    huge = motion.map(lambda *given: given[-1] * 0 + number)
    with pytest.raises(FileError, match=f"{message}.*lower learning rate"):
        huge.save(saved, torch.float32)
    assert saved.read_bytes() == before


def test_an_alpha_out_of_range_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    test_adapter_file.make().save(path)
    tensors = read_copies(path)
    tensors[f"{test_adapter_file.TO_Q}.alpha"] = torch.tensor(1e30)
    save_file(tensors, path, read_metadata(path))
    with pytest.raises(FileError, match="alpha holds numbers up to 1e\\+30"):
        Adapter.load(path)


def test_the_shipped_motions_have_a_digest():
    for path in MOTION_FOLDER.glob("*.safetensors"):
        assert read_metadata(path)["digest"] and MotionEmbedding.load(path)
