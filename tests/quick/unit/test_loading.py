import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from motion_core.device import choose_device
from motion_core.errors import ModelError, OptionError
from motion_core.models.families import recognize
from motion_core.models.zeroscope.loading import load_model, stored_dtype
from tests.material.tensor_files import read_copies


@pytest.fixture
def folder(model_folder, tmp_path):
    return shutil.copytree(model_folder, tmp_path / "model")


def test_a_folder_is_loaded_whole(model_folder):
    model = load_model(model_folder, "cpu")
    assert model.factor == 8 and model.frames == 6
    assert recognize(model.denoiser.module).family.name == "zeroscope"
    assert {p.dtype for p in model.denoiser.module.parameters()} == {torch.float32}
    text = torch.stack(model.encode_text(["a red circle", ""]))
    assert text.shape == (2, 24, 96) and text.dtype == torch.float32
    frames = torch.rand(3, 64, 96, 3, generator=torch.Generator().manual_seed(0))
    latents = model.encode(frames)
    assert latents.shape == (1, 4, 3, 8, 12)
    decoded = model.decode(latents)
    assert decoded.shape == (3, 64, 96, 3) and decoded.min() >= 0 and decoded.max() <= 1
    with pytest.raises(ModelError, match="multiples of 8"):
        model.encode(frames[:, :60])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_of_each_precision_are_read(folder, dtype):
    for path in folder.glob("*/*.safetensors"):
        save_file({key: t.to(dtype) for key, t in read_copies(path).items()}, path, {"format": "pt"})
    model = load_model(folder, "cpu", dtype)
    assert {p.dtype for p in model.denoiser.module.parameters()} == {dtype}
    plain = load_model(folder, "cpu")
    assert {p.dtype for p in plain.denoiser.module.parameters()} == {torch.float32}


def test_a_variant_is_found(folder):
    for path in folder.glob("*/*.safetensors"):
        path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))
    assert load_model(folder, "cpu").factor == 8


STORED = [torch.float32, torch.float16, torch.bfloat16]


def rename(path, variant, sharded):
    """As diffusers names the files of a variant, in one file or in several with an index."""
    middle = f".{variant}" if variant else ""
    if not sharded:
        return path.rename(path.with_name(f"{path.stem}{middle}.safetensors"))
    shard = path.rename(path.with_name(f"{path.stem}{middle}-00001-of-00001.safetensors"))
    index = {"metadata": {}, "weight_map": dict.fromkeys(read_copies(shard), shard.name)}
    path.with_name(f"{path.stem}.safetensors.index{middle}.json").write_text(json.dumps(index), encoding="utf-8")
    return shard


@pytest.mark.parametrize("dtype", STORED)
@pytest.mark.parametrize("variant", [None, "fp16", "bf16"])
@pytest.mark.parametrize("sharded", [False, True])
def test_the_stored_dtype_is_that_of_the_weights_that_are_loaded(folder, dtype, variant, sharded):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    others = torch.float64
    save_file({key: t.to(dtype) for key, t in read_copies(path).items()}, path, {"format": "pt"})
    rename(path, variant, sharded)
    save_file({"other": torch.zeros(1, dtype=others)}, folder / "unet" / "a_neighbour.safetensors")
    assert stored_dtype(folder) == dtype


def test_weights_that_cannot_be_read_have_no_stored_dtype(folder):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="can't be read"):
        stored_dtype(folder)
    path.rename(path.with_name("moved.safetensors"))
    path.with_name("diffusion_pytorch_model.safetensors.index.json").write_text('{"weight_map": {}}', encoding="utf-8")
    with pytest.raises(ModelError, match="can't be read"):
        stored_dtype(folder)


@pytest.mark.parametrize("dtype", STORED)
def test_off_the_cpu_weights_stay_as_stored(folder, dtype):
    for path in folder.glob("*/*.safetensors"):
        save_file({key: t.to(dtype) for key, t in read_copies(path).items()}, path, {"format": "pt"})
    model = load_model(folder, "meta")  # a device that every machine has
    parts = model.denoiser.module, model.vae, model.text_encoder
    assert {(p.dtype, p.device.type) for part in parts for p in part.parameters()} == {(dtype, "meta")}
    assert {p.dtype for p in load_model(folder, "cpu").denoiser.module.parameters()} == {torch.float32}


def test_a_gpu_is_chosen_where_there_is_one(monkeypatch):
    for found, chosen in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=found: found)
        assert choose_device() == chosen
        assert choose_device("cpu") == "cpu"
    with pytest.raises(OptionError, match="device is 'cuda' and torch .* finds no CUDA GPU; use --device cpu"):
        choose_device("cuda")


def test_a_model_is_not_loaded_to_a_gpu_that_is_not_there(model_folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(OptionError, match="finds no CUDA GPU"):
        load_model(model_folder, "cuda")


def test_the_schedule_is_the_models(folder):
    path = folder / "scheduler" / "scheduler_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    model = load_model(folder, "cpu")
    betas = torch.linspace(config["beta_start"] ** 0.5, config["beta_end"] ** 0.5, 1000, dtype=torch.float64) ** 2
    torch.testing.assert_close(model.denoiser.schedule.alpha_bars, (1 - betas).cumprod(0), rtol=1e-4, atol=1e-6)
    path.write_text(json.dumps({**config, "prediction_type": "sample"}), encoding="utf-8")
    with pytest.raises(ModelError, match="predicts 'sample'"):
        load_model(folder, "cpu")


def test_velocity_becomes_noise(folder):
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), "prediction_type": "v_prediction"}),
        encoding="utf-8",
    )
    denoiser = load_model(folder, "cpu").denoiser
    schedule, x0, eps = denoiser.schedule, torch.randn(1, 4, 2, 8, 8), torch.randn(1, 4, 2, 8, 8)
    abar = schedule.alpha_bar(600, x0)

    class Perfect(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one = torch.nn.Parameter(torch.ones(1))

        def forward(self, z, t, encoder_hidden_states):
            from types import SimpleNamespace

            return SimpleNamespace(sample=abar.sqrt() * eps - (1 - abar).sqrt() * x0)

    from dataclasses import replace

    perfect = replace(denoiser, module=Perfect())
    z = schedule.add_noise(x0, eps, 600)
    torch.testing.assert_close(perfect.predict(z, torch.tensor([600]), torch.zeros(1, 1, 1)), eps, atol=1e-5, rtol=1e-4)


def test_missing_parts_of_a_model_folder_are_named(folder, tmp_path):
    with pytest.raises(ModelError, match="is not there"):
        load_model(tmp_path / "none")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="single file; the diffusers layout is read"):
        load_model(tmp_path / "model.safetensors")
    shutil.rmtree(folder / "scheduler")
    shutil.rmtree(folder / "tokenizer")
    with pytest.raises(ModelError, match="lacks tokenizer, scheduler"):
        load_model(folder)


def test_other_models_and_pickles_are_refused(folder):
    config = folder / "unet" / "config.json"
    kept = config.read_text(encoding="utf-8")
    config.write_text(json.dumps({"_class_name": "UNet2DConditionModel"}), encoding="utf-8")
    with pytest.raises(ModelError, match="holds a UNet2DConditionModel"):
        load_model(folder)
    config.write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="can't be read"):
        load_model(folder)
    config.write_text(kept, encoding="utf-8")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(ModelError, match="only pickled .bin"):
        load_model(folder)
    weights.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="can't be loaded"):
        load_model(folder)
