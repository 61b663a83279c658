"""Files that earlier versions of the pack wrote are read for ever, with the tensors and metadata that they hold."""

import json
from pathlib import Path

import pytest
import torch

from motion_core.commands.invert import read_inverted
from motion_core.formats.motion_inversion import read_official
from motion_core.motions.adapter import Adapter
from motion_core.motions.embedding import MotionEmbedding

RELEASED = Path(__file__).resolve().parents[2] / "material" / "released"
EXPECTED = json.loads((RELEASED / "expected.json").read_text(encoding="utf-8"))


def load_embedding(name):
    path = RELEASED / name
    return read_official(path, width=96, height=64) if path.suffix == ".pt" else MotionEmbedding.load(path)


def check_tensor(tensor, expected, rounding=1e-6):
    wanted = torch.tensor(expected["values"]).reshape(expected["shape"])
    torch.testing.assert_close(tensor, wanted, rtol=0, atol=rounding)


def check_origin(origin, expected):
    assert {name: getattr(origin, name) for name in expected} == expected


@pytest.mark.parametrize("name", EXPECTED["embeddings"])
def test_a_released_embedding_keeps_its_metadata(name):
    expected, embedding = EXPECTED["embeddings"][name], load_embedding(name)
    assert embedding.family == expected["family"] and embedding.layout == expected["layout"]
    assert embedding.frames == expected["frames"] and embedding.debiased_by == expected["debiased_by"]
    assert {block: list(grid) for block, grid in embedding.grids.items()} == expected["grids"]
    check_origin(embedding.origin, expected["origin"])


@pytest.mark.parametrize("name", EXPECTED["embeddings"])
def test_a_released_embedding_is_applied_with_the_same_values(name):
    expected, embedding = EXPECTED["embeddings"][name], load_embedding(name)
    assert set(embedding.qk) == set(expected["qk"]) and set(embedding.v) == set(expected["v"])
    # float16 rounds a mean of zero to nearly zero, and debiasing takes that remainder away
    rounding = 1e-3 if embedding.debiased_by == "mean" else 1e-6
    for key, tensor in embedding.qk.items():
        check_tensor(tensor, expected["qk"][key])
    for key, tensor in embedding.v.items():
        check_tensor(tensor, expected["v"][key], rounding)


def test_a_released_mean_keeps_the_values_of_its_file():
    name = "embedding_1_mean.safetensors"
    for key, tensor in load_embedding(name).trained_v.items():
        check_tensor(tensor, EXPECTED["embeddings"][name]["v"][key])


def test_a_released_difference_is_the_debiased_raw_file():
    raw, difference = (load_embedding(f"embedding_1_{kind}.safetensors") for kind in ("raw", "difference"))
    for name, v in raw.debiased("difference").v.items():
        torch.testing.assert_close(difference.v[name], v, rtol=0, atol=4e-3)  # half precision of a sum of two values


@pytest.mark.parametrize("name", EXPECTED["adapters"])
def test_a_released_adapter_keeps_its_parts_and_metadata(name):
    expected, adapter = EXPECTED["adapters"][name], Adapter.load(RELEASED / name)
    assert adapter.family == expected["family"] and adapter.frames == expected["frames"]
    check_origin(adapter.origin, expected["origin"])
    assert set(adapter.parts) == set(expected["parts"])
    for layer, fields in expected["parts"].items():
        for field, value in fields.items():
            held = getattr(adapter.parts[layer], field)
            if isinstance(value, dict):
                check_tensor(held, value)
            else:
                assert held == value


def test_released_inverted_noise_keeps_its_values():
    for name, expected in EXPECTED["noise"].items():
        check_tensor(read_inverted(RELEASED / name, expected["steps"]), expected["noise"])
