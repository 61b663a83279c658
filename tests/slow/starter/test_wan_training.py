"""The scripts that train the Wan-shaped starter model, in miniature."""

import random

import pytest
import torch
from safetensors.torch import load_file

from motion_core.starter.scene import draw_clip
from tools.starter.trainer import Settings, TrainingExample
from tools.starter.wan import autoencoder, build, transformer
from tools.starter.wan.export import export_autoencoder, export_transformer


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return build.build_autoencoder().eval()


@pytest.mark.parametrize(("clips", "frames"), autoencoder.MIXED)
def test_windows_have_the_frames_that_a_step_sees(clips, frames):
    pixels, weight = autoencoder.draw_windows(TrainingExample.at(0, 0), clips, frames)
    assert pixels.shape == (clips, 3, frames, 64, 64) and pixels.abs().max() <= 1
    assert weight.shape == (clips, 1, frames, 64, 64) and weight.min() == 1 and weight.max() == 4


def test_latents_get_the_statistics_of_wans_and_pictures_stay(vae, tmp_path):
    latents, images = autoencoder.encode_clips(vae, tmp_path, clips=3)
    assert latents.shape == images.shape == (3, 16, 9, 8, 8)
    torch.testing.assert_close(latents.mean((0, 2, 3, 4)), torch.zeros(16), atol=1e-2, rtol=0)
    torch.testing.assert_close(latents.std((0, 2, 3, 4)), torch.ones(16), atol=2e-2, rtol=0)
    pixels = autoencoder.to_pixels(draw_clip(random.Random("1 0"), build.FRAMES)[0][None])
    mean, spread = (
        torch.tensor(values).view(1, -1, 1, 1, 1) for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    with torch.no_grad():
        made = (vae.encode(pixels).latent_dist.mode() - mean) / spread
    torch.testing.assert_close(made, latents[:1], atol=5e-2, rtol=5e-2)  # the kept ones are rounded to fp16


def test_a_batch_shows_what_its_captions_say():
    clips = transformer.Clips(torch.randn(4, 16, 9, 8, 8), torch.randn(4, 16, 9, 8, 8))
    stage = transformer.Stage("short", Settings(1, 1e-3), clips=40, frames=3)
    batch = transformer.draw_batch(clips, stage, TrainingExample.at(0, 0))
    assert batch.x0.shape == (40, 16, 3, 8, 8) and batch.subject.shape == (40, 1, 3, 8, 8)
    shown = batch.image[:, 0, 0].amax((1, 2)) > 0
    assert 0 < shown.sum() < 20 and not batch.image[~shown].any() and not batch.image[:, :4, 1:].any()
    assert batch.captions.count("") in range(1, 15)


def test_stages_are_resumed_and_exported(tmp_path, monkeypatch):
    monkeypatch.setattr(transformer, "STAGES", (transformer.Stage("short", Settings(2, 1e-3), clips=2, frames=2),))
    monkeypatch.setitem(build.TRANSFORMER, "num_layers", 1)
    clips = transformer.Clips(torch.randn(4, 16, 9, 8, 8), torch.randn(4, 16, 9, 8, 8))
    first, trainers = transformer.train_transformer(clips, tmp_path)
    again, _ = transformer.train_transformer(clips, tmp_path)
    assert trainers["short"].step == 2
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    export_transformer(tmp_path / "transformer.safetensors", first)
    export_autoencoder(tmp_path / "vae.safetensors", build.build_autoencoder())
    assert "blocks.0.self_attn.q.weight" in load_file(tmp_path / "transformer.safetensors")
    assert "decoder.middle.0.residual.0.gamma" in load_file(tmp_path / "vae.safetensors")
