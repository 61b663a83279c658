"""Trains the autoencoder, encodes the clips with it, and gives its latents the statistics that Wan's have."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from motion_core.starter.appearance import draw_ground
from motion_core.starter.paths import Motion
from motion_core.starter.scene import Actor, cover, draw_actor, draw_clip, render
from tools.starter.trainer import Settings, Trainer, TrainingExample
from tools.starter.wan import build
from tools.starter.whitening import whiten

SHORT = ((6, 5),)
"""(clips, frames) that a step may see: a latent frame that holds one frame, and one that holds four."""
MIXED = ((6, 5), (3, 9), (2, 17), (1, 33))
"""Short clips alone would leave the autoencoder to drift in long ones, since it keeps what it saw."""


@dataclass(frozen=True)
class Stage:
    """One stage of training. windows: see `SHORT`; shrink: how much smaller the pictures are."""

    name: str
    settings: Settings
    windows: Sequence[tuple[int, int]]
    shrink: int = 1


STAGES = (
    Stage("small", Settings(500, 3e-3, matrix_rate=0.02, average=0.99), SHORT, shrink=2),
    Stage("whole", Settings(1500, 3e-3, matrix_rate=0.015, average=0.99, seed=2), MIXED),
)
"""First on pictures of half the size, where a step costs a quarter."""
DECODER = Settings(steps=900, learning_rate=2e-3, matrix_rate=0.01, average=0.99)
LATENT_NOISE = 0.1
"""Deviation of the noise that the decoder learns to overlook: a sampled latent is never as clean as an encoded one."""
KL_WEIGHT = 5e-7
SUBJECT_WEIGHT = 3.0
"""How much more an error on a subject weighs: it is small, and its colour would be learnt last."""
TWO_ACTORS = 0.2
ENCODED_AT_ONCE = 10
KEPT = ("to_qkv", "proj", "quant_conv")
"""Convolutions of one pixel that start as drawn."""
NARROW = -6.0
"""Logarithm of the posterior's variance at first. At its usual width the first latents drown in their own noise."""


@torch.no_grad()
def start_linear(vae: Any) -> None:
    """Makes an untrained autoencoder a chain of orthogonal maps of single frames.

    Residual blocks add nothing at first, and convolutions over time see the newest frame alone. As drawn at random, the
    network learns nothing in its first 300 steps.
    """
    vae.quant_conv.weight[build.LATENT_CHANNELS :] = 0
    vae.quant_conv.bias[build.LATENT_CHANNELS :] = NARROW
    for name, conv in vae.named_modules():
        if not isinstance(conv, nn.Conv2d | nn.Conv3d) or name.endswith(KEPT):
            continue
        conv.weight.zero_()
        if conv.bias is not None:
            conv.bias.zero_()
        newest = conv.weight[:, :, -1] if conv.weight.ndim == 5 else conv.weight
        if name.endswith("time_conv"):
            newest[:, :, 0, 0] = torch.eye(conv.in_channels).repeat(conv.out_channels // conv.in_channels, 1)
        elif not name.endswith("conv2"):
            newest.copy_(nn.init.orthogonal_(torch.empty(newest.shape)))


def draw_windows(example: TrainingExample, clips: int, frames: int) -> tuple[Tensor, Tensor]:
    """Parts of random clips: pixels (B, 3, F, H, W) in -1..1, and what an error weighs, (B, 1, F, H, W)."""
    pixels, weights = [], []
    for _ in range(clips):
        actors = [draw_actor(example.rng, build.FRAMES) for _ in range(2 if example.rng.random() < TWO_ACTORS else 1)]
        first = example.rng.randrange(build.FRAMES - frames + 1)
        parts = [Actor(each.subject, _cut(each.motion, first, frames), each.radius) for each in actors]
        pixels.append(render(draw_ground(example.rng), parts))
        weights.append(1 + SUBJECT_WEIGHT * torch.stack([cover(part) for part in parts]).amax(0))
    return to_pixels(torch.stack(pixels)), torch.stack(weights)[:, None]


def to_pixels(clips: Tensor) -> Tensor:
    """(B, F, H, W, 3) of 0..1 -> (B, 3, F, H, W) of -1..1."""
    return clips.permute(0, 4, 1, 2, 3) * 2 - 1


def train_autoencoder(work: Path) -> tuple[Any, dict[str, Trainer]]:
    """Trains all stages, each resumed where it stopped."""
    vae = build.build_autoencoder()
    start_linear(vae)
    trainers = {f"{stage.name} autoencoder": _train_stage(vae, stage, work) for stage in STAGES}
    return vae.eval(), trainers


def _train_stage(vae: Any, stage: Stage, work: Path) -> Trainer:
    trainer = Trainer(vae, stage.settings, work / f"autoencoder_{stage.name}")

    def loss_at(example: TrainingExample, step: int) -> Tensor:
        windows = draw_windows(example, *example.rng.choice(stage.windows))
        pixels, weight = (functional.avg_pool3d(x, (1, stage.shrink, stage.shrink)) for x in windows)
        posterior = vae.encode(pixels).latent_dist
        error = vae.decode(posterior.sample(example.generator)).sample - pixels
        return (weight * (error.abs() + 2 * error.square())).mean() + KL_WEIGHT * posterior.kl().mean()

    trainer.run(loss_at)
    trainer.load_average()
    return trainer


def polish_decoder(vae: Any, work: Path) -> Trainer:
    """Trains the decoder on, on slightly noisy latents. The encoder, and with it every latent, stays as it is."""
    decoder = nn.ModuleDict({"post_quant_conv": vae.post_quant_conv, "decoder": vae.decoder})
    trainer = Trainer(decoder, DECODER, work / "decoder")
    spread = torch.tensor(vae.config.latents_std).view(1, -1, 1, 1, 1)

    def loss_at(example: TrainingExample, step: int) -> Tensor:
        pixels, weight = draw_windows(example, *example.rng.choice(MIXED))
        with torch.no_grad():
            latents = vae.encode(pixels).latent_dist.mode()
        noise = LATENT_NOISE * spread * torch.randn(latents.shape, generator=example.generator)
        error = vae.decode(latents + noise).sample - pixels
        return (weight * (error.abs() + 2 * error.square())).mean()

    trainer.run(loss_at)
    trainer.load_average()
    return trainer


@torch.no_grad()
def encode_clips(vae: Any, work: Path, clips: int, images: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """The training set, encoded once: latents of clips (K, 16, 9, 8, 8), and as many of first frames before gray.

    Only so many of the first clips have an image. The autoencoder is whitened on the way: what it makes has the mean
    and spread of Wan's latents, and the tensors that are returned have a mean of 0 and a variance of 1.
    """
    path = work / "latents.safetensors"
    if not path.exists():
        found: dict[str, list[Tensor]] = {"clips": [], "images": []}
        for first in range(0, clips, ENCODED_AT_ONCE):
            numbers = range(first, min(first + ENCODED_AT_ONCE, clips))
            drawn = [draw_clip(random.Random(f"{seed} {number}"), build.FRAMES)[0] for number in numbers]
            pixels = to_pixels(torch.stack(drawn))
            found["clips"].append(vae.encode(pixels).latent_dist.mode().half())
            pixels[:, :, 1:] = 0  # gray
            if first < images:
                found["images"].append(vae.encode(pixels).latent_dist.mode().half()[: images - first])
            print(f"encoded {numbers[-1] + 1} of {clips} clips", flush=True)
        save_file({name: torch.cat(each) for name, each in found.items()}, path)
    raw = load_file(path)
    mean, spread = (torch.tensor(values) for values in (vae.config.latents_mean, vae.config.latents_std))
    change = whiten(vae, raw["clips"].float(), dim=1, mean=mean, spread=spread)
    return change(raw["clips"].float()), change(raw["images"].float())


def _cut(motion: Motion, first: int, frames: int) -> Motion:
    kept = slice(first, first + frames)
    return Motion(motion.subject[kept], motion.camera[kept], motion.zoom[kept])
