"""Every reader refuses damaged and hostile files in one sentence."""

import json
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from motion_core.commands.invert import read_inverted
from motion_core.errors import FileError, MotionError
from motion_core.files.pickle_file import read_pickle
from motion_core.files.reading import reading
from motion_core.formats.motion_director import read_motion_director
from motion_core.formats.motion_inversion import read_official
from motion_core.formats.motion_lora import read_motion_lora
from motion_core.motions.adapter import Adapter
from motion_core.motions.embedding import MotionEmbedding
from motion_core.motions.motion import read_motion
from tests.conftest import seeded
from tests.material.tensor_files import read_copies
from tests.quick.unit import test_adapter_file, test_embedding, test_motion_inversion_file
from tests.quick.unit.test_digest import read_metadata

BLOCK = test_motion_inversion_file.BLOCKS[0]
SAFE_READERS = {
    "motion": read_motion,
    "embedding": MotionEmbedding.load,
    "adapter": Adapter.load,
    "motion lora": read_motion_lora,
    "inverted": lambda path: read_inverted(path, 2),
}
PICKLE_READERS = {
    "official": lambda path: read_official(path, 576, 320),
    "motion lora": read_motion_lora,
    "motion director": lambda path: read_motion_director(path, None),
    "weights": lambda path: read_pickle(path, "file of RAFT's weights"),
}
DEEP = "[" * 200_000


def refused(read, path) -> str:
    with pytest.raises(FileError) as caught:
        read(path)
    message = str(caught.value)
    assert path.name in message and "\n" not in message and len(message) < 1600
    return message


@pytest.mark.parametrize("name", ["grids", "recipe", "frames", "width"])
@pytest.mark.parametrize("deep", [DEEP, DEEP + "]" * len(DEEP), '{"a":' * 100_000, "9" * 100_000])
def test_deeply_nested_metadata_is_refused_in_one_sentence(tmp_path, name, deep):
    path = tmp_path / "motion.safetensors"
    test_embedding.make().save(path)
    save_file(read_copies(path), path, {**read_metadata(path), name: deep})
    assert "has incomplete or wrong metadata" in refused(read_motion, path)


def test_a_recipe_nested_too_deeply_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "motion.safetensors"
    test_adapter_file.make().save(path)
    save_file(read_copies(path), path, {**read_metadata(path), "recipe": '{"a":' + "[" * 100 + "]" * 100 + "}"})
    assert "nested" in refused(read_motion, path)


@pytest.mark.parametrize("reader", SAFE_READERS)
@pytest.mark.parametrize("header", [DEEP, '{"a":' * 200_000, '{"__metadata__":' + DEEP, '{"a":{"dtype":' + DEEP])
def test_a_deeply_nested_header_is_refused_in_one_sentence(tmp_path, reader, header):
    path = tmp_path / "motion.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode())
    refused(SAFE_READERS[reader], path)


def test_deeply_nested_metadata_of_inverted_noise_is_refused_in_one_sentence(tmp_path):
    save_file({"noise": torch.zeros(1, 4, 2, 8, 8)}, tmp_path / "n.safetensors", {"inverted_noise": DEEP})
    refused(SAFE_READERS["inverted"], tmp_path / "n.safetensors")


@pytest.mark.parametrize("reader", PICKLE_READERS)
def test_a_deeply_nested_pickle_is_refused_in_one_sentence(tmp_path, reader):
    stored: list = []
    for _ in range(300):
        stored = [stored]
    torch.save(stored, tmp_path / "x.pt")
    if reader != "weights":  # as a pickle it is valid
        refused(PICKLE_READERS[reader], tmp_path / "x.pt")
    (tmp_path / "y.pt").write_bytes(b"\x80\x02" + b"]" * 500_000 + b".")
    refused(PICKLE_READERS[reader], tmp_path / "y.pt")


@pytest.mark.parametrize("error", [RecursionError("deep"), MemoryError(), UnicodeDecodeError("utf-8", b"", 0, 1, "x")])
def test_any_error_while_reading_becomes_a_file_error(tmp_path, error):
    (tmp_path / "x.pt").write_bytes(b"x")
    with pytest.raises(FileError, match="x.pt is damaged or no list"), reading(tmp_path / "x.pt", "list"):
        raise error


@pytest.mark.parametrize(
    "change",
    [
        {"apply": [1]},
        {"apply": {"strength_v": "much"}},
        {"apply": {"start": None}},
        {"apply": {"debias": 3}},
        {"frames": "many"},
        {"beta": []},
        {"noise": 1},
    ],
)
def test_a_recipe_with_wrong_values_is_refused_on_reading(tmp_path, change):
    path = tmp_path / "motion.safetensors"
    test_embedding.make().save(path)
    save_file(read_copies(path), path, {**read_metadata(path), "recipe": json.dumps(change)})
    assert f"a recipe's {next(iter(change.get('apply', change)), '')}"[:11] in refused(read_motion, path)


@pytest.mark.parametrize("change", [{"fps": "inf"}, {"fps": "nan"}, {"width": "999999999"}, {"seed": "-1"}])
def test_an_origin_with_impossible_values_is_refused_on_reading(tmp_path, change):
    path = tmp_path / "motion.safetensors"
    test_embedding.make().save(path)
    save_file(read_copies(path), path, {**read_metadata(path), **change})
    assert f"{next(iter(change))} " in refused(read_motion, path)


LOOKALIKES = {
    b"<!DOCTYPE html><html><body>Sign in": "is a web page",
    b"\n<html lang=en>": "is a web page",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n": "git-lfs pointer",
}


@pytest.mark.parametrize("content", LOOKALIKES)
def test_the_error_names_a_web_page_or_git_lfs_pointer(tmp_path, content):
    for readers, name in ((SAFE_READERS, "a.safetensors"), (PICKLE_READERS, "a.pt")):
        (tmp_path / name).write_bytes(content)
        for read in readers.values():
            assert LOOKALIKES[content] in refused(read, tmp_path / name)


PLAIN = seeded(180, 32, 16)
ODD = {
    "not dense": PLAIN.to_sparse,
    "is not dense": PLAIN[:, :, 0].to_sparse_csr,
    "meta": lambda: PLAIN.to("meta"),
    "qint8": lambda: torch.quantize_per_tensor(PLAIN, 0.1, 0, torch.qint8),
    "complex64": lambda: torch.complex(PLAIN, PLAIN),
    "int32": PLAIN.int,
    "bool": PLAIN.bool,
    "more numbers than it holds": lambda: torch.zeros(1, 1, 1).expand(180, 32, 10**6),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch warns about rare and deprecated tensors
@pytest.mark.parametrize("message", ODD)
def test_a_tensor_that_is_not_dense_or_not_floating_point_is_refused_in_one_sentence(tmp_path, message):
    odd = ODD[message]()
    official = {**test_motion_inversion_file.official(), f"{BLOCK}.attn1.vSpatial": odd}
    torch.save(official, tmp_path / "motion_embed.pt")
    if odd.ndim == 3:
        assert message in refused(PICKLE_READERS["official"], tmp_path / "motion_embed.pt")
    key = f"{test_adapter_file.MODULE}.attention_blocks.0.processor.to_q_lora"
    torch.save({f"{key}.down.weight": odd, f"{key}.up.weight": odd}, tmp_path / "lora.ckpt")
    assert message in refused(read_motion_lora, tmp_path / "lora.ckpt")
    torch.save([odd, odd], tmp_path / "unet.pt")
    assert message in refused(PICKLE_READERS["motion director"], tmp_path / "unet.pt")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_the_official_file_is_read_in_any_floating_point_dtype(tmp_path, dtype):
    stored = {key: tensor.detach().to(dtype) for key, tensor in test_motion_inversion_file.official().items()}
    torch.save(stored, tmp_path / "motion_embed.pt")
    embedding = read_official(tmp_path / "motion_embed.pt", 576, 320)
    assert torch.equal(embedding.qk[BLOCK], stored[f"{BLOCK}.pos_embed"][:, :24].float())


def test_the_official_file_is_read_from_a_dataparallel_model(tmp_path):
    torch.save(test_motion_inversion_file.official(), tmp_path / "plain.pt")
    torch.save(
        {f"module.module.{k}": t for k, t in test_motion_inversion_file.official().items()}, tmp_path / "wrapped.pt"
    )
    plain, wrapped = (read_official(tmp_path / name, 576, 320) for name in ("plain.pt", "wrapped.pt"))
    assert wrapped.grids == plain.grids and set(wrapped.v) == set(plain.v)
    assert all(map(torch.equal, wrapped.parameters, plain.parameters))
    twice = test_motion_inversion_file.official()
    torch.save({**twice, f"module.{BLOCK}.pos_embed": twice[f"{BLOCK}.pos_embed"]}, tmp_path / "twice.pt")
    assert "twice" in refused(PICKLE_READERS["official"], tmp_path / "twice.pt")


@pytest.mark.parametrize(
    ("key", "shape"), [("pos_embed", (180, 32, 16)), ("attn2.vSpatial", (180, 32, 8)), ("attn1.vSpatial", (0, 32, 16))]
)
def test_official_tensors_of_shapes_that_do_not_match_are_refused(tmp_path, key, shape):
    torch.save({**test_motion_inversion_file.official(), f"{BLOCK}.{key}": seeded(*shape)}, tmp_path / "x.pt")
    assert "belong together" in refused(PICKLE_READERS["official"], tmp_path / "x.pt")


def test_an_altered_number_in_a_pickle_is_refused(tmp_path):
    path = tmp_path / "motion_embed.pt"
    torch.save(test_motion_inversion_file.official(), path)
    content = bytearray(path.read_bytes())
    number = seeded(1, 24, 16)  # the first tensor of the file
    offset = content.find(number[0, 3].numpy().tobytes())
    assert offset > 0
    content[offset + 1] ^= 1
    path.write_bytes(content)
    assert "checksum" in refused(PICKLE_READERS["official"], path)


def test_a_compressed_pickle_is_refused(tmp_path):
    torch.save({"a": torch.zeros(2**20)}, tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "x.pt", "w") as packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry), zipfile.ZIP_DEFLATED)
    assert "compressed" in refused(PICKLE_READERS["weights"], tmp_path / "x.pt")


def test_suffixes_may_be_in_capital_letters(tmp_path):
    path = tmp_path / "MOTION.SAFETENSORS"
    test_embedding.make().save(path)
    assert read_motion(path).origin == test_embedding.make().origin
    torch.save(test_motion_inversion_file.official(), tmp_path / "MOTION_EMBED.PT")
    assert "is a pickle" in refused(MotionEmbedding.load, tmp_path / "MOTION_EMBED.PT")


def test_a_prompt_with_a_lone_surrogate_is_saved(tmp_path):
    """A console of another encoding passes such prompts. They once made saving fail after training."""
    from dataclasses import replace

    motion = test_embedding.make()
    broken = replace(motion, origin=replace(motion.origin, prompt="a caf\udce9"))
    broken.save(tmp_path / "a.safetensors")
    assert read_motion(tmp_path / "a.safetensors").origin.prompt == "a caf?"


def test_an_error_message_is_one_printable_line():
    message = str(MotionError("motion\x1b[31m.safetensors\nhas \u202egnp.exe\x07, " + "x" * 5000 + "; save it again"))
    assert message.isprintable() and len(message) < 1600
    assert "motion\\x1b[31m.safetensors has \\u202egnp.exe\\x07" in message and message.endswith("; save it again")
