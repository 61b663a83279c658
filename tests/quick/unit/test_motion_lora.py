"""Motion LoRA files of several trainers: their key names, with an alpha or none."""

import pytest
import torch
from safetensors.torch import save_file

from motion_core.errors import FileError
from motion_core.formats.motion_lora import read_motion_lora
from motion_core.hooks.adapter_hooks import inject_adapter
from motion_core.models.families import recognize
from motion_core.models.layers import select_layers
from tests.conftest import seeded
from tests.quick.unit.test_animatediff import build

HOME = "down_blocks.0.motion_modules.1.temporal_transformer"
BLOCK = f"{HOME}.transformer_blocks.0"
TO_Q, TO_OUT = f"{BLOCK}.attention_blocks.1.to_q", f"{BLOCK}.attention_blocks.1.to_out.0"
LAYERS = {TO_Q: (6, 4), TO_OUT: (4, 6), f"{BLOCK}.ff.net.0.proj": (4, 8), f"{BLOCK}.ff.net.2": (8, 4)}
"""(in, out) of each."""


def animatediff(layer, side):
    """As AnimateDiff publishes them, and as this pack writes them."""
    attention, _, own = layer.partition(".to_")
    own = f"to_{own.removesuffix('.0')}" if own else ""
    return f"{attention}.processor.{own}_lora.{side}.weight" if own else None


def motion_director(layer, side):
    """As AnimateDiff-MotionDirector saves them: the name's last part moves behind `processor`."""
    home, _, last = layer.rpartition(".")
    return f"{home}.processor.{last}_lora.{side}.weight"


def kohya(layer, side):
    return f"lora_unet_{layer.replace('.', '_')}.lora_{side}.weight"


def diffusers_name(layer):
    name = layer.replace(".temporal_transformer", "")
    return name.replace("attention_blocks.0", "attn1").replace("attention_blocks.1", "attn2")


def diffusers(layer, side):
    return f"unet.{diffusers_name(layer)}.lora.{side}.weight"


def diffusers_processor(layer, side):
    key = animatediff(diffusers_name(layer), side)
    return key and f"unet.{key}"


def peft(layer, side):
    return f"base_model.model.{diffusers_name(layer)}.lora_{ {'down': 'A', 'up': 'B'}[side] }.weight"


def peft_named(layer, side):
    return f"unet.{diffusers_name(layer)}.lora_{ {'down': 'A', 'up': 'B'}[side] }.default.weight"


def linear_layer(layer, side):
    return f"unet.{diffusers_name(layer)}.lora_linear_layer.{side}.weight"


def wrapped(layer, side):
    key = animatediff(layer, side)
    return key and f"module.{key}"


FORMS = [
    animatediff, motion_director, kohya, diffusers, diffusers_processor, peft, peft_named, linear_layer, wrapped
]  # fmt: skip


def stored_as(form, layers=None, dtype=torch.float32):
    tensors = {}
    for number, (layer, (into, out)) in enumerate((layers or LAYERS).items()):
        if form(layer, "down"):
            tensors[form(layer, "down")] = seeded(2, into, seed=number).to(dtype)
            tensors[form(layer, "up")] = seeded(out, 2, seed=9 + number).to(dtype)
    return tensors


@pytest.mark.parametrize("ending", [".safetensors", ".SafeTensors", ".ckpt", ".PT"])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_names_the_same_layers(tmp_path, form, ending):
    path = tmp_path / f"lora{ending}"
    (save_file if "safe" in ending.lower() else torch.save)(stored_as(form), path)
    adapter = read_motion_lora(path)
    expected = [layer for layer in LAYERS if form(layer, "down")]
    assert set(adapter.parts) == set(expected) and adapter.family == "animatediff"
    for layer in expected:
        number, (into, out) = list(LAYERS).index(layer), LAYERS[layer]
        part = adapter.parts[layer]
        assert torch.equal(part.down, seeded(2, into, seed=number)) and part.alpha is None
        assert torch.equal(part.up, seeded(out, 2, seed=9 + number))


@pytest.mark.parametrize("form", FORMS)
def test_each_form_works_in_the_model(tmp_path, form):
    model = build()
    chosen = select_layers(recognize(model).list_layers(), "temporal_attention")
    shapes = {layer.name: layer.shape[::-1] for layer in chosen}
    save_file(stored_as(form, shapes), tmp_path / "lora.safetensors")
    adapter = read_motion_lora(tmp_path / "lora.safetensors")
    assert set(adapter.parts) == set(shapes)
    with inject_adapter(model, adapter):
        pass


def test_kohyas_names_reach_the_middle_and_the_projections(tmp_path):
    home = "mid_block.motion_modules.0.temporal_transformer"
    layers = {f"{home}.proj_in": (6, 4), f"{home}.transformer_blocks.0.attention_blocks.0.to_v": (6, 4)}
    save_file(stored_as(kohya, layers), tmp_path / "lora.safetensors")
    assert set(read_motion_lora(tmp_path / "lora.safetensors").parts) == set(layers)


@pytest.mark.parametrize("alpha", [torch.tensor(1.0), torch.tensor([1.0]), torch.tensor(1.0, dtype=torch.float16)])
@pytest.mark.parametrize(
    "key", [f"lora_unet_{TO_Q.replace('.', '_')}.alpha", f"unet.{diffusers_name(TO_Q)}.alpha", f"{TO_Q}_lora.alpha"]
)
def test_an_alpha_scales_its_layer_alone(tmp_path, key, alpha):
    save_file({**stored_as(kohya), key: alpha}, tmp_path / "lora.safetensors")
    parts = read_motion_lora(tmp_path / "lora.safetensors").parts
    assert parts[TO_Q].scale == 0.5 and parts[TO_OUT].scale == 1.0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.float8_e5m2])
@pytest.mark.parametrize("ending", [".safetensors", ".ckpt"])
def test_any_floating_point_is_read_from_either_ending(tmp_path, dtype, ending):
    path, stored = tmp_path / f"lora{ending}", stored_as(animatediff, dtype=dtype)
    (save_file if ending == ".safetensors" else torch.save)(stored, path)
    part = read_motion_lora(path).parts[TO_Q]
    assert torch.equal(part.down, stored[animatediff(TO_Q, "down")].float())


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        ({kohya(TO_Q, "down"): seeded(6, 2), kohya(TO_Q, "up"): seeded(2, 6)}, "swapped"),
        ({kohya(TO_Q, "down"): seeded(2, 6)}, "not both"),
        ({kohya(TO_Q, "down"): seeded(2, 6), f"{TO_Q}.alpha": torch.tensor(1.0)}, "not both"),
        ({**stored_as(kohya), animatediff(TO_Q, "down"): seeded(2, 6)}, "twice"),
        ({**stored_as(kohya), "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": seeded(2, 2)}, "lora_te"),
        ({**stored_as(kohya), f"{TO_Q}.dora_scale": seeded(4)}, "dora_scale"),
        ({kohya("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q", "up"): seeded(2, 2)}, "attentions"),
        ({**stored_as(kohya), f"{TO_Q}.alpha": seeded(3)}, TO_Q),
        ({**stored_as(kohya), f"{TO_Q}.alpha": torch.tensor(torch.inf)}, "not finite"),
        ({kohya(TO_Q, "down"): seeded(2, 6).int(), kohya(TO_Q, "up"): seeded(4, 2).int()}, "int32"),
    ],
)
@pytest.mark.parametrize("ending", [".safetensors", ".ckpt"])
def test_other_files_are_refused_in_one_sentence(tmp_path, stored, says, ending):
    path = tmp_path / f"lora{ending}"
    (save_file if ending == ".safetensors" else torch.save)(stored, path)
    with pytest.raises(FileError, match=says) as caught:
        read_motion_lora(path)
    assert "\n" not in str(caught.value)
