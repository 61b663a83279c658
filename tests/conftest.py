"""What the tests share: a tiny model of ZeroScope's exact shape with random weights, built without a download."""

from __future__ import annotations

import shutil
from functools import cache

import pytest
import torch
from torch import nn

from motion_core.diffusion.schedule import NoiseSchedule
from motion_core.models.animatediff.denoiser import MotionUNetDenoiser
from motion_core.models.zeroscope.denoiser import UNetDenoiser
from tests.host import live_host

TINY = {
    "sample_size": 8,
    "block_out_channels": (8, 16, 16, 16),
    "norm_num_groups": 4,
    "attention_head_dim": 4,
    "cross_attention_dim": 16,
}
"""ZeroScope's four levels and two layers a block, at reduced width."""


@pytest.fixture(scope="session", autouse=True)
def without_a_macs_gpu():
    """Tests compute on the CPU on a Mac too: its GPU rounds otherwise, and a hosted one has little memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.backends.mps, "is_available", cache(lambda: False))  # torch's own is cached, and shows it
        yield


def build_unet(**changes):
    from diffusers import UNet3DConditionModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return UNet3DConditionModel(**{**TINY, **changes}).eval()


@pytest.fixture(scope="session")
def unet():
    return build_unet()


@pytest.fixture(scope="session")
def denoiser(unet):
    return UNetDenoiser(unet, NoiseSchedule.scaled_linear())


@pytest.fixture(scope="session")
def motion_denoiser():
    from diffusers import UNetMotionModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = UNetMotionModel(
            sample_size=8, block_out_channels=(32, 32, 64, 64), cross_attention_dim=16, num_attention_heads=4,
            motion_num_attention_heads=2, use_motion_mid_block=False,
        ).eval()  # fmt: skip
        for name, parameter in model.named_parameters():
            if "motion_modules" in name and "proj_out" in name:  # zero at first, where a motion would change nothing
                nn.init.normal_(parameter, std=0.1)
    return MotionUNetDenoiser(model, NoiseSchedule.scaled_linear())


@pytest.fixture(params=["zeroscope", "animatediff"])
def either(request, denoiser):
    return denoiser if request.param == "zeroscope" else request.getfixturevalue("motion_denoiser")


def count_hooks(module):
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="session")
def latents():
    return seeded(1, 4, 4, 8, 12)


@pytest.fixture(scope="session")
def text():
    return seeded(1, 5, 16, seed=1)


@pytest.fixture(scope="session")
def negative():
    return seeded(1, 5, 16, seed=2)


@pytest.fixture(scope="session")
def noise(latents):
    return seeded(*latents.shape, seed=7)


@pytest.fixture(scope="session")
def learnt(denoiser, latents, text):
    """A motion that is not zero anywhere, learnt in three steps on every site."""
    from motion_core.training.train import train
    from tests.training_cases import EMBEDDING_RECIPE, one_clip

    return train(denoiser, one_clip(latents, text), EMBEDDING_RECIPE).motion


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A complete diffusers folder of ZeroScope's exact shape at reduced width, with random weights."""
    from tools.starter import build
    from tools.starter.export import export

    folder = tmp_path_factory.mktemp("models") / "tiny_zeroscope"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = build_unet(cross_attention_dim=96)
        text_encoder = build.build_text_encoder(len(build.build_tokenizer()))
        export(folder, build.build_autoencoder(), unet, text_encoder, {"frames": 6})
    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    """A tiny CLIP of random weights, as transformers saves one."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    from tools.starter import build

    tokenizer = build.build_tokenizer()
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {**size, **ends, "vocab_size": len(tokenizer), "max_position_embeddings": 12}
    vision = {**size, "image_size": 16, "patch_size": 8}
    folder = tmp_path_factory.mktemp("clip")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=16), tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def started_host(tmp_path_factory, model_folder):
    """A live ComfyUI with the starter and, as its ZeroScope, the tiny model."""
    root = live_host.find_host()
    if root is None:
        pytest.skip(live_host.HOW_TO_GET_ONE)
    live = live_host.LiveHost(root, tmp_path_factory.mktemp("host"))
    shutil.copytree(model_folder, live.work / "models" / "diffusers" / "zeroscope_v2_576w")
    live.start()
    yield live
    live.stop()


@pytest.fixture(scope="module")
def host(started_host):
    """The live host, whose input folder is for each file of tests as it was: its first clip is what nodes load."""
    folder = started_host.work / "input"
    before = set(folder.iterdir())
    yield started_host
    for path in set(folder.iterdir()) - before:
        path.unlink()
