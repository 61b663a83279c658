"""The scripts that train the Wan-shaped starter model, in miniature."""

import random
from contextlib import suppress

import pytest
import torch
from safetensors.torch import load_file

from motion_core.starter.scene import draw_clip
from tools.starter.muon import Muon
from tools.starter.trainer import Settings, Trainer, TrainingExample
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
    latents, images = autoencoder.encode_clips(vae, tmp_path, clips=3, images=2)
    assert latents.shape == (3, 16, 9, 8, 8) and images.shape == (2, 16, 9, 8, 8)
    torch.testing.assert_close(latents.mean((0, 2, 3, 4)), torch.zeros(16), atol=1e-2, rtol=0)
    torch.testing.assert_close(latents.std((0, 2, 3, 4)), torch.ones(16), atol=2e-2, rtol=0)
    pixels = autoencoder.to_pixels(draw_clip(random.Random("1 0"), build.FRAMES)[0][None])
    mean, spread = (
        torch.tensor(values).view(1, -1, 1, 1, 1) for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    with torch.no_grad():
        made = (vae.encode(pixels).latent_dist.mode() - mean) / spread
    torch.testing.assert_close(made, latents[:1], atol=5e-2, rtol=5e-2)  # the kept ones are rounded to fp16


def test_the_autoencoder_starts_as_a_map_of_single_frames(vae):
    linear = build.build_autoencoder().eval()
    autoencoder.start_linear(linear)
    pixels = torch.rand(1, 3, 9, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    other = pixels.clone()
    other[:, :, :4] = 0  # a latent frame's newest pixels alone count
    with torch.no_grad():
        one, two = (linear.encode(each).latent_dist for each in (pixels, other))
        plain = [vae.encode(each).latent_dist.mode()[:, :, 1:] for each in (pixels, other)]
    assert torch.equal(one.mode()[:, :, 1:], two.mode()[:, :, 1:]) and not torch.equal(*plain)
    assert one.std.amax() < 0.06


@pytest.mark.parametrize("shape", [(8, 3), (3, 8), (6, 2, 3)])
def test_muon_moves_along_a_matrix_of_equal_singular_values(shape):
    weight = torch.nn.Parameter(torch.zeros(shape))
    weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    Muon([weight], lr=0.1).step()
    values = torch.linalg.svdvals(weight.detach().flatten(1))
    tall = max(1.0, weight.shape[0] / weight[0].numel()) ** 0.5
    torch.testing.assert_close(values, torch.full_like(values, 0.1 * tall), rtol=0.35, atol=0)


@pytest.mark.parametrize("matrix_rate", [None, 0.02])
def test_a_run_that_was_stopped_and_resumed_is_the_run_that_was_not(tmp_path, matrix_rate):
    def train(folder, *parts):
        torch.manual_seed(0)
        layer = torch.nn.Linear(4, 3)
        for steps in parts:  # the schedule is that of the whole run
            trainer = Trainer(layer, Settings(6, 0.01, matrix_rate=matrix_rate, warm_up=2), tmp_path / folder)
            until = trainer.step + steps

            def loss_at(example, step, until=until):
                if step == until:
                    raise KeyboardInterrupt
                inputs = torch.randn(5, 4, generator=example.generator)
                return (layer(inputs) - inputs[:, :3]).square().mean()

            with suppress(KeyboardInterrupt):
                trainer.run(loss_at, save_every=1)
        return layer.state_dict()

    whole, resumed = train("whole", 6), train("resumed", 2, 4)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_batch_shows_what_its_captions_say():
    clips = transformer.Clips(torch.randn(4, 16, 9, 8, 8), torch.randn(2, 16, 9, 8, 8))
    stage = transformer.Stage("short", Settings(1, 1e-3), clips=40, frames=3)
    batch = transformer.draw_batch(clips, stage, TrainingExample.at(0, 0))
    assert batch.x0.shape == (40, 16, 3, 8, 8) and batch.subject.shape == (40, 1, 3, 8, 8)
    shown = batch.image[:, 0, 0].amax((1, 2)) > 0
    assert 0 < shown.sum() < 25 and not batch.image[~shown].any() and not batch.image[:, :4, 1:].any()
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
