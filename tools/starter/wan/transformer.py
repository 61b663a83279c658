"""Trains the transformer by flow matching on encoded clips, from captions and, at times, from their first frame."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from motion_core.starter.appearance import Ground, draw_caption, draw_ground
from motion_core.starter.folder import find_starter
from motion_core.starter.scene import Actor, cover, draw_actor
from tools.starter.trainer import Settings, Trainer, TrainingExample
from tools.starter.wan import build

NO_CAPTION = 0.1
"""Share of clips trained without a caption, for classifier-free guidance."""
IMAGE = 0.6
"""Share of clips trained with their first frame, of those that have it encoded."""


@dataclass(frozen=True)
class Stage:
    """One stage of training. clips, frames: what a step sees, from each clip's beginning, in latent frames.

    Appearance is learnt from the number of clips and motion from their length, and a step costs clips * frames.
    shift: of the noise levels, sigma = shift u / (1 + (shift - 1) u) for even u. subject_weight: how much more an error
    on the subject weighs where it shows through, at a sigma below `placed`.
    """

    name: str
    settings: Settings
    clips: int
    frames: int = build.LATENT_FRAMES
    shift: float = 3.0
    subject_weight: float = 3.0
    placed: float = 0.85

    def record(self) -> dict[str, Any]:
        return asdict(self)


STAGES = (
    Stage("appearance", Settings(1500, 1e-3, matrix_rate=0.02, average=0.99), clips=40, frames=3),
    Stage("motion", Settings(4500, 1e-3, matrix_rate=0.02, average=0.995, seed=1), clips=14, shift=5.0),
)


@dataclass(frozen=True)
class Clips:
    """The training set. latents: (K, 16, N, 8, 8), drawn by a seed; images: of the first of them. Captions are drawn
    anew.
    """

    latents: Tensor
    images: Tensor
    seed: int = 1

    def draw(self, number: int) -> tuple[Actor, Ground]:
        """Draws who acts before what in a clip, as its pixels were drawn."""
        rng = random.Random(f"{self.seed} {number}")
        return draw_actor(rng, build.FRAMES), draw_ground(rng)


@dataclass(frozen=True)
class Batch:
    """x0: (B, 16, N, 8, 8); image: (B, 20, N, 8, 8), a mask and an image or zeros; subject: (B, 1, N, 8, 8), how much
    of a latent pixel it covers.
    """

    x0: Tensor
    image: Tensor
    subject: Tensor
    captions: list[str]


def draw_batch(clips: Clips, stage: Stage, example: TrainingExample) -> Batch:
    """Draws the beginnings of random clips."""
    x0, images, subjects, captions = [], [], [], []
    for _ in range(stage.clips):
        number = example.rng.randrange(len(clips.latents))
        actor, ground = clips.draw(number)
        x0.append(clips.latents[number, :, : stage.frames])
        shown = number < len(clips.images) and example.rng.random() < IMAGE
        image = clips.images[number if shown else 0, :, : stage.frames]
        images.append(shown * mark_first_frame(image))
        subjects.append(cover_latents(actor, stage.frames))
        captions.append("" if example.rng.random() < NO_CAPTION else draw_caption(actor.subject, ground, example.rng))
    return Batch(torch.stack(x0), torch.stack(images), torch.stack(subjects)[:, None], captions)


def mark_first_frame(image: Tensor) -> Tensor:
    """An encoded first frame (16, N, h, w) behind its mask (4, N, h, w), as Wan's image-to-video models take it."""
    mask = torch.zeros(4, *image.shape[1:])
    mask[:, 0] = 1
    return torch.cat([mask, image])


def cover_latents(actor: Actor, frames: int) -> Tensor:
    """How much of each latent pixel the actor covers: (N, 8, 8). Four frames share a latent frame, except the first."""
    covered = cover(actor, 8)
    later = covered[1:].unflatten(0, (-1, 4)).mean(1)
    return torch.cat([covered[:1], later])[:frames]


class Captions:
    """Text features of the starter model's own text encoder, kept by caption: (L, 96)."""

    def __init__(self) -> None:
        from transformers import CLIPTextModel, CLIPTokenizer

        folder = find_starter()
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        self.encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").float().eval()
        self.known: dict[str, Tensor] = {}

    @torch.no_grad()
    def encode(self, captions: list[str]) -> Tensor:
        """(B, L, 96)."""
        for caption in set(captions) - set(self.known):
            tokens = self.tokenizer(caption, padding="max_length", truncation=True, return_tensors="pt")
            self.known[caption] = self.encoder(tokens.input_ids)[0][0]
        return torch.stack([self.known[caption] for caption in captions])


def train_stage(transformer: Any, captions: Captions, clips: Clips, stage: Stage, work: Path) -> Trainer:
    """Trains on from the weights that the transformer has. It ends with their average over the stage's last steps."""
    trainer = Trainer(transformer, stage.settings, work / stage.name)

    def loss_at(example: TrainingExample, step: int) -> Tensor:
        batch = draw_batch(clips, stage, example)
        eps = torch.randn(batch.x0.shape, generator=example.generator)
        u = torch.rand(len(eps), generator=example.generator)
        sigma = (stage.shift * u / (1 + (stage.shift - 1) * u)).view(-1, 1, 1, 1, 1)
        z = torch.cat([(1 - sigma) * batch.x0 + sigma * eps, batch.image], 1)
        predicted = transformer(z, 1000 * sigma.flatten(), captions.encode(batch.captions)).sample
        weight = 1 + stage.subject_weight * batch.subject * (sigma < stage.placed)
        return (weight * (predicted - (eps - batch.x0)).square()).mean()

    trainer.run(loss_at)
    trainer.load_average()
    return trainer


def train_transformer(clips: Clips, work: Path) -> tuple[Any, dict[str, Trainer]]:
    """Trains all stages, each resumed where it stopped."""
    torch.manual_seed(STAGES[0].settings.seed)
    transformer, captions = build.build_transformer(), Captions()
    return transformer, {stage.name: train_stage(transformer, captions, clips, stage, work) for stage in STAGES}
