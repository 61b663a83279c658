"""The scripts that made the starter model, in miniature."""

import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from motion_core.starter.appearance import describe, draw_caption, draw_ground, draw_subject, every_caption
from motion_core.starter.paths import HELD_OUT, TRAINING, draw_motion
from motion_core.starter.scene import draw_clip
from tools.starter import build
from tools.starter.growth import grow
from tools.starter.trainer import Settings, Trainer, TrainingExample
from tools.starter.whitening import whiten

SETTINGS = Settings(steps=6, learning_rate=1e-2, warm_up=2, average=0.9)


def train(folder, steps, until=None):
    torch.manual_seed(0)
    module = nn.Linear(3, 3)
    trainer = Trainer(module, replace(SETTINGS, steps=steps), folder)

    def loss_at(example: TrainingExample, step: int):
        if step == until:
            raise KeyboardInterrupt
        return (module(torch.randn(4, 3, generator=example.generator)) - example.rng.random()).square().mean()

    trainer.run(loss_at, report_every=2, save_every=2)
    return trainer


def test_a_resumed_run_is_the_run_that_was_not_stopped(tmp_path):
    whole = train(tmp_path / "whole", 6)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", 6, until=5)
    resumed = train(tmp_path / "stopped", 6)
    assert resumed.step == whole.step == 6 and [s for s, _ in resumed.losses] == [2, 4, 6]
    for name in whole.parameters:
        torch.testing.assert_close(resumed.parameters[name], whole.parameters[name], atol=0, rtol=0)
        torch.testing.assert_close(resumed.average[name], whole.average[name], atol=0, rtol=0)


def test_growing_keeps_what_was_learnt():
    torch.manual_seed(0)
    small, full = build.build_autoencoder((16, 32, 64)), build.build_autoencoder((16, 16, 32, 64))
    grow(small, full)
    latents = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        decoded, large = small.decode(latents).sample, full.decode(latents).sample
    assert large.shape[-1] == 2 * decoded.shape[-1] == 64
    blurred = nn.functional.avg_pool2d(large, 2)
    assert nn.functional.cosine_similarity(blurred.flatten(), decoded.flatten(), dim=0) > 0.9


def test_whitening_changes_latents_and_not_pictures():
    torch.manual_seed(0)
    vae = build.build_autoencoder().eval()
    pixels = torch.rand(16, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        latents = vae.encode(pixels).latent_dist.mode()
        pictures = vae.decode(latents).sample
        white = whiten(vae, latents, dim=1)(latents)
        torch.testing.assert_close(vae.encode(pixels).latent_dist.mode(), white, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(vae.decode(white).sample, pictures, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(white.std((0, 2, 3)), torch.ones(4), atol=1e-3, rtol=1e-3)
    assert white.mean((0, 2, 3)).abs().max() < 1e-3


def test_captions_name_appearance_only_and_each_word_is_one_token():
    tokenizer = build.build_tokenizer()
    words = {word for caption in every_caption() for word in caption.replace(",", " ,").split()}
    assert all(len(tokenizer.tokenize(word)) == 1 for word in words)
    assert max(len(tokenizer(caption).input_ids) for caption in every_caption()) <= build.TEXT_LENGTH
    assert len(tokenizer.tokenize("a dog runs")) > 3  # other words are spelt out, not refused


def test_the_same_seed_draws_the_same_clip():
    one, other = draw_clip(random.Random(3)), draw_clip(random.Random(3))
    assert torch.equal(one[0], other[0]) and one[1:] == other[1:]
    rng = random.Random(0)
    subject, ground = draw_subject(rng), draw_ground(rng)
    assert describe(subject, ground) in every_caption() and draw_caption(subject, ground, rng) in every_caption()


def test_paths_stay_in_sight_and_the_held_out_ones_are_apart():
    rng = random.Random(0)
    for _ in range(200):
        assert draw_motion(rng, 16).on_screen().abs().max() < 1.6
    for name, path in HELD_OUT.items():
        assert path(16).shape == (16, 2) and path(16).abs().max() <= 1.0
        assert name not in TRAINING
    assert {path(24).shape for path in HELD_OUT.values()} == {(24, 2)}


def test_no_direction_is_favoured():
    rng = random.Random(0)
    steps = torch.cat([draw_motion(rng, 16).on_screen().diff(dim=0) for _ in range(1500)])
    assert steps.mean(0).abs().max() < 0.02 * steps.norm(dim=-1).mean() * 2
