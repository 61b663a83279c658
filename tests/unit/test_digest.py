"""The digest in a motion's file: what it covers, and that files without it are read as before."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from motion_core.errors import FileError
from motion_core.motions.adapter import Adapter
from motion_core.motions.embedding import MotionEmbedding
from motion_core.starter.folder import MOTION_FOLDER
from tests.unit import test_adapter_file, test_embedding

MAKERS = {"embedding": test_embedding.make, "adapter": test_adapter_file.make}


@pytest.fixture(params=MAKERS)
def motion(request):
    return MAKERS[request.param]()


@pytest.fixture
def saved(motion, tmp_path):
    motion.save(tmp_path / "motion.safetensors")
    return tmp_path / "motion.safetensors"


def describe(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


def same(one, other):
    return one.origin == other.origin and all(map(torch.equal, one.parameters, other.parameters))


def test_one_altered_number_is_refused(motion, saved):
    tensors, about = load_file(saved), describe(saved)
    key = sorted(tensors)[-1]
    tensors[key].view(-1)[0] += 0.5
    save_file(tensors, saved, about)
    with pytest.raises(FileError, match="motion.safetensors was altered after it was saved.*download it again"):
        type(motion).load(saved)


@pytest.mark.parametrize(
    "change",
    [{"prompt": "a blue square"}, {"seed": "6"}, {"width": "56"}, {"added": "by someone"}, {"recipe": '{"apply": {}}'}],
)
def test_an_altered_description_is_refused(motion, saved, change):
    save_file(load_file(saved), saved, {**describe(saved), **change})
    with pytest.raises(FileError, match="altered"):
        type(motion).load(saved)


def test_swapped_tensors_are_refused(motion, saved):
    tensors, about = load_file(saved), describe(saved)
    one, other = next((a, b) for a in tensors for b in tensors if a < b and tensors[a].shape == tensors[b].shape)
    tensors[one], tensors[other] = tensors[other] * 2, tensors[one] * 2
    save_file(tensors, saved, about)
    with pytest.raises(FileError, match="altered"):
        type(motion).load(saved)


def test_a_file_from_before_there_was_a_digest_is_read(motion, saved):
    before = {name: value for name, value in describe(saved).items() if name != "digest"}
    save_file(load_file(saved), saved, before)
    loaded = type(motion).load(saved)
    loaded.save(saved)
    assert "digest" in describe(saved) and same(loaded, type(motion).load(saved))


def test_a_reader_that_knows_no_digest_sees_the_format_of_before(saved):
    about = describe(saved)
    assert about["version"] == "1" and about["digest"].startswith("sha256:")
    assert all(isinstance(json.loads(about[name]), dict) for name in ("recipe", "grids") if name in about)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_each_precision_has_its_digest(motion, tmp_path, dtype):
    motion.save(tmp_path / "a.safetensors", dtype)
    loaded = type(motion).load(tmp_path / "a.safetensors")
    loaded.save(tmp_path / "b.safetensors", dtype)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize(("number", "says"), [(1e30, "up to 1e\\+30, beyond 1e\\+06"), (torch.inf, "not finite")])
def test_numbers_beyond_any_training_are_neither_read_nor_written(motion, saved, number, says):
    tensors, about = load_file(saved), describe(saved)
    key = next(key for key, tensor in tensors.items() if tensor.ndim)
    tensors[key] = tensors[key].float()
    tensors[key].view(-1)[0] = number
    save_file(tensors, saved, about)
    before = saved.read_bytes()
    with pytest.raises(FileError, match=says):
        type(motion).load(saved)
    huge = motion.map(lambda t: torch.full_like(t, number))
    with pytest.raises(FileError, match=f"{says}.*lower learning rate"):
        huge.save(saved, torch.float32)
    assert saved.read_bytes() == before


def test_an_alpha_beyond_any_training_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    test_adapter_file.make().save(path)
    tensors = load_file(path)
    tensors[f"{test_adapter_file.TO_Q}.alpha"] = torch.tensor(1e30)
    save_file(tensors, path, describe(path))
    with pytest.raises(FileError, match="alpha holds numbers up to 1e\\+30"):
        Adapter.load(path)


def test_the_shipped_motions_have_a_digest():
    for path in MOTION_FOLDER.glob("*.safetensors"):
        assert describe(path)["digest"] and MotionEmbedding.load(path)
