"""Adapters in our own file, in AnimateDiff's motion LoRA files and from MotionDirector's lists."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from motion_core.errors import FileError
from motion_core.formats.motion_director import read_motion_director
from motion_core.formats.motion_lora import read_motion_lora, write_motion_lora
from motion_core.hooks.adapter_hooks import inject_adapter
from motion_core.models.families import recognize
from motion_core.models.layers import select_layers
from motion_core.motions.adapter import Adapter
from motion_core.motions.adapter_parts import LowRank, WeightDelta
from motion_core.motions.origin import Origin
from tests.conftest import seeded
from tests.material.tensor_files import read_copies
from tests.quick.unit.test_animatediff import build

MODULE = "down_blocks.0.motion_modules.1.temporal_transformer.transformer_blocks.0"
TO_Q, TO_OUT = (f"{MODULE}.attention_blocks.0.{own}" for own in ("to_q", "to_out.0"))
CONV = "down_blocks.0.temp_convs.0.conv1.2"


def make() -> Adapter:
    parts = {
        TO_Q: LowRank(seeded(2, 6), seeded(4, 2), 0.1),
        TO_OUT: LowRank(seeded(2, 6), seeded(4, 2)),
        CONV: WeightDelta(seeded(4, 3, 3, 1, 1), seeded(4)),
        "a.to_v": WeightDelta(seeded(4, 3)),
    }
    return Adapter("animatediff", parts, Origin(48, 32, 8.0, "a red circle", 5, {"rank": 2, "method": "mixed"}))


@pytest.fixture
def saved(tmp_path):
    make().save(tmp_path / "motion.safetensors")
    return tmp_path / "motion.safetensors"


def test_save_load_save_gives_the_same_bytes(saved, tmp_path):
    loaded = Adapter.load(saved)
    loaded.save(tmp_path / "again.safetensors")
    assert saved.read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    assert (loaded.family, loaded.origin) == ("animatediff", make().origin)
    assert {name: type(part) for name, part in loaded.parts.items()} == {n: type(p) for n, p in make().parts.items()}
    assert loaded.parts[TO_OUT].alpha is None and loaded.parts[TO_Q].scale == pytest.approx(0.05)
    for a, b in zip(loaded.parameters, make().parameters, strict=True):
        assert torch.equal(a, b.half().float())


def test_the_keys_are_those_that_a_host_patches_weights_by(saved):
    stored = read_copies(saved)
    low_rank = {f"{TO_Q}.lora_down.weight", f"{TO_Q}.lora_up.weight", f"{TO_Q}.alpha"}
    assert low_rank | {f"{CONV}.diff", f"{CONV}.diff_b", "a.to_v.diff"} < set(stored)
    assert stored[f"{TO_Q}.alpha"].shape == () and stored[f"{TO_Q}.lora_up.weight"].dtype == torch.float16


def test_full_precision_is_kept_when_asked_for(tmp_path):
    make().save(tmp_path / "a.safetensors", torch.float32)
    loaded = Adapter.load(tmp_path / "a.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters, make().parameters, strict=True))


def rewrite(path, tensors=None, without=(), about=None):
    """Save the file again with something changed."""
    with safe_open(path, "pt") as file:
        description = file.metadata()
    held = {key: tensor for key, tensor in read_copies(path).items() if key not in without}
    changed = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (about or {}).items()}
    description = {key: value for key, value in description.items() if key not in without}
    save_file({**held, **(tensors or {})}, path, {**description, **changed})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"about": {"version": 2}}, "update the pack"),
        ({"about": {"format": "motion-embedding"}}, "no motion adapter"),
        ({"about": {"recipe": "{"}}, "incomplete or wrong metadata"),
        ({"without": ["family"]}, "incomplete or wrong metadata"),
        ({"tensors": {"some.weight": seeded(2, 2)}}, "unknown tensor some.weight"),
        ({"tensors": {"diff": seeded(2, 2)}}, "unknown tensor diff"),
        ({"without": [f"{TO_Q}.lora_up.weight"]}, "make no whole part"),
        ({"without": [f"{CONV}.diff"]}, "make no whole part"),
        ({"tensors": {f"{CONV}.alpha": torch.tensor(1.0)}}, "make no whole part"),
        ({"tensors": {f"{TO_Q}.lora_up.weight": seeded(4, 3)}}, "has shape"),
        ({"tensors": {f"{TO_Q}.alpha": seeded(2)}}, TO_Q),
        ({"tensors": {f"{CONV}.diff_b": seeded(5)}}, "bias"),
        ({"tensors": {f"{CONV}.diff_b": torch.full((4,), torch.inf)}}, "not finite"),
        ({"tensors": {f"{CONV}.diff_b": torch.zeros(4, dtype=torch.int32)}}, "dtype"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(saved, change, sentence):
    rewrite(saved, **change)
    with pytest.raises(FileError, match=sentence) as caught:
        Adapter.load(saved)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("motion.safetensors")


def test_empty_damaged_missing_and_pickled_files_are_refused(saved, tmp_path):
    with safe_open(saved, "pt") as file:
        about = file.metadata()
    save_file({}, tmp_path / "empty.safetensors", about)
    with pytest.raises(FileError, match="at least one part"):
        Adapter.load(tmp_path / "empty.safetensors")
    saved.write_bytes(saved.read_bytes()[:-10])
    with pytest.raises(FileError, match="damaged"):
        Adapter.load(saved)
    with pytest.raises(FileError, match="does not exist"):
        Adapter.load(tmp_path / "none.safetensors")
    torch.save([], tmp_path / "list.pt")
    with pytest.raises(FileError, match="is a pickle"):
        Adapter.load(tmp_path / "list.pt")


def test_a_refused_save_leaves_no_file(tmp_path):
    with pytest.raises(FileError, match="not finite"):
        make().map(lambda t: t * 1e6).save(tmp_path / "a.safetensors")
    with pytest.raises(FileError, match="ending"):
        make().save(tmp_path / "a.pt")
    with pytest.raises(FileError, match="dtype is"):
        make().save(tmp_path / "a.safetensors", torch.int8)
    assert not list(tmp_path.iterdir())


def test_a_written_motion_lora_is_read_back(tmp_path):
    model = build()
    layers = select_layers(recognize(model).list_layers(), "temporal_attention")
    adapter = Adapter.low_rank("animatediff", layers, 4, alpha=8.0)
    adapter = adapter.map(lambda t: t + 0.01)
    write_motion_lora(adapter, tmp_path / "lora.safetensors", torch.float32)
    keys = set(read_copies(tmp_path / "lora.safetensors"))
    assert len(keys) == 2 * len(layers) and all("temporal" in key for key in keys)
    assert f"{MODULE}.attention_blocks.1.processor.to_out_lora.up.weight" in keys
    back = read_motion_lora(tmp_path / "lora.safetensors")
    assert set(back.parts) == set(adapter.parts)
    for name, part in back.parts.items():
        torch.testing.assert_close(part.up, adapter.parts[name].up * 2)
        assert torch.equal(part.down, adapter.parts[name].down) and part.alpha is None
    with inject_adapter(model, back):
        pass


def test_a_pickled_motion_lora_is_read(tmp_path):
    make_lora = {
        f"{MODULE}.attention_blocks.0.processor.to_q_lora.down.weight": seeded(2, 6),
        f"{MODULE}.attention_blocks.0.processor.to_q_lora.up.weight": seeded(4, 2),
    }
    torch.save({"state_dict": make_lora, "epoch": 1}, tmp_path / "ZoomIn.ckpt")
    assert set(read_motion_lora(tmp_path / "ZoomIn.ckpt").parts) == {TO_Q}


@pytest.mark.parametrize(
    "adapter",
    [
        make(),
        replace(make(), parts={CONV: make().parts[CONV]}),
        replace(make(), parts={f"models.1.{TO_Q}": make().parts[TO_Q]}),
        replace(make(), parts={f"{MODULE}.ff.net.2": make().parts[TO_Q]}),
        replace(make(), parts={"down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q": make().parts[TO_Q]}),
        replace(make(), parts={TO_Q: make().parts[TO_Q]}, family="zeroscope"),
    ],
)
def test_adapters_that_a_motion_lora_cannot_hold_are_refused(tmp_path, adapter):
    with pytest.raises(FileError, match="motion LoRA holds low-rank changes of temporal attention"):
        write_motion_lora(adapter, tmp_path / "lora.safetensors")
    assert not list(tmp_path.iterdir())


KEY = f"{MODULE}.attention_blocks.0.processor.to_q_lora"


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        ({f"{KEY}.down.weight": seeded(2, 6)}, "not both"),
        ({f"{KEY}.down.weight": seeded(2, 6), f"{KEY}.up.weight": seeded(4, 3)}, "has shape"),
        ({f"{MODULE}.proj_in.weight": seeded(2, 2)}, "belongs to no motion LoRA"),
        ({}, "at least one part"),
    ],
)
@pytest.mark.parametrize("ending", [".safetensors", ".ckpt"])
def test_a_wrong_motion_lora_is_refused(tmp_path, stored, sentence, ending):
    path = tmp_path / f"lora{ending}"
    (save_file if ending == ".safetensors" else torch.save)(stored, path)
    with pytest.raises(FileError, match=sentence):
        read_motion_lora(path)


def as_motion_director(unet, ancestor: str, wanted: tuple[str, ...], rank=2) -> list[torch.Tensor]:
    """The list that its code saves: the linear layers with these words in their names, in the model's order."""
    stored = []
    for part in unet.modules():
        if type(part).__name__ != ancestor:
            continue
        for name, layer in part.named_modules():
            if isinstance(layer, torch.nn.Linear) and any(word in name for word in wanted):
                number = len(stored)
                stored += [seeded(layer.out_features, rank, seed=number), seeded(rank, layer.in_features, seed=number)]
    return [torch.nn.Parameter(tensor) for tensor in stored]


PATHS = {
    "temporal_transformer": ("TransformerTemporalModel", ("attn1", "attn2", "ff")),
    "spatial_transformer": ("Transformer2DModel", ("attn1", "ff")),
}


@pytest.mark.parametrize("which", PATHS)
def test_motion_directors_lists_find_their_layers(unet, tmp_path, which):
    stored = as_motion_director(unet, *PATHS[which])
    torch.save(stored, tmp_path / "unet.pt")
    adapter = read_motion_director(tmp_path / "unet.pt", unet)
    layers = select_layers(recognize(unet).list_layers(), which)
    assert list(adapter.parts) == [layer.name for layer in layers]
    first, last = adapter.parts[layers[0].name], adapter.parts[layers[-1].name]
    assert torch.equal(first.up, stored[0]) and torch.equal(last.down, stored[-1])
    assert adapter.family == "zeroscope" and first.scale == 1.0 and not first.up.requires_grad
    with inject_adapter(unet, adapter):
        pass


def test_lists_that_do_not_fit_are_refused(unet, tmp_path):
    stored = as_motion_director(unet, *PATHS["temporal_transformer"])
    path = tmp_path / "unet.pt"
    swapped = [tensor for pair in zip(stored[1::2], stored[::2], strict=True) for tensor in pair]
    for wrong, sentence in (
        (stored[:-2], "fit neither path"),
        (stored[2:] + stored[:2], "fit neither path"),
        (swapped, "no list of MotionDirector's|neither"),
        (stored[:-1], "something else"),
        ([], "something else"),
        ({"a": stored[0]}, "something else"),
        ([1, 2], "something else"),
        ([stored[0] * torch.nan, *stored[1:]], "not finite"),
    ):
        torch.save(wrong, path)
        with pytest.raises(FileError, match=sentence):
            read_motion_director(path, unet)


def test_a_list_that_fits_both_paths_is_refused(unet, tmp_path, monkeypatch):
    layers = select_layers(recognize(unet).list_layers(), "temporal_transformer")[:2]
    twins = [replace(layer, name=f"spatial.{layer.name}", temporal=False) for layer in layers]
    monkeypatch.setattr("motion_core.models.families.Recognized.list_layers", lambda _: [*layers, *twins])
    stored = [t for layer in layers for t in (seeded(layer.shape[0], 2), seeded(2, layer.shape[1]))]
    torch.save(stored, tmp_path / "unet.pt")
    with pytest.raises(FileError, match="both paths"):
        read_motion_director(tmp_path / "unet.pt", unet)


class Hostile:
    def __reduce__(self):
        return print, ("ran",)


def test_hostile_pickles_run_nothing(unet, tmp_path, capsys):
    torch.save([Hostile()], tmp_path / "x.pt")
    for read in (read_motion_lora, lambda path: read_motion_director(path, unet)):
        with pytest.raises(FileError):
            read(tmp_path / "x.pt")
    assert "ran" not in capsys.readouterr().out
