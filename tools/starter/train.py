"""Trains the starter model from nothing: `python -m tools.starter.train --work DIR`.

Stages, each resumed where it stopped: the autoencoder, the latents of a fixed set of clips (encoded once), the text
encoder with the video model in several stages, and the decoder once more. `--export DIR` then writes the diffusers
folder.
"""

import argparse
import platform
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from motion_core.diffusion.schedule import NoiseSchedule
from motion_core.starter.appearance import Ground, draw_caption, draw_ground
from motion_core.starter.scene import FRAMES, Actor, cover, draw_actor, draw_clip, render
from tools.starter import build
from tools.starter.export import export
from tools.starter.growth import grow, start_certain
from tools.starter.trainer import Settings, Trainer, TrainingExample
from tools.starter.whitening import whiten

SMALL_AUTOENCODER = Settings(steps=4200, learning_rate=3e-3, average=0.99)
AUTOENCODER = Settings(steps=900, learning_rate=1.5e-3, average=0.99)
DECODER = Settings(steps=1600, learning_rate=1.5e-3, average=0.99)
LATENT_NOISE = 0.1
"""Deviation of the noise that the decoder learns to overlook: a sampled latent is never as clean as an encoded one."""
KL_WEIGHT = 5e-7
TWO_ACTORS = 0.2
"""Share of the autoencoder's frames with two subjects, so that it can encode clips with several."""
SUBJECT_WEIGHT = 3.0
"""How much more an error on a subject weighs: it is small, and its colour would be learnt last."""
FRAMES_PER_STEP = 16
NO_CAPTION = 0.1
"""Share of clips trained without a caption, for classifier-free guidance."""
CLIPS = 3000


@dataclass(frozen=True)
class Stage:
    """One stage of training. clips, frames: what a step sees; half_clips: steps that see half of that length.

    Appearance is learnt from the number of clips and motion from their length, and a step costs clips * frames.
    balance: the error at a noise level weighs 1 / SNR, at most this and at least its inverse. Left alone (1), errors at
    little noise drown the others, and what the words ask for is decided at much noise (Hang et al. 2023, min-SNR).
    subject_weight: how much more an error on the subject weighs where it shows through, at timesteps below `placed`.
    """

    name: str
    settings: Settings
    clips: int
    frames: int = FRAMES
    half_clips: range = range(0)
    balance: float = 1.0
    subject_weight: float = 0.0
    placed: int = 500

    def record(self) -> dict[str, Any]:
        return asdict(self) | {"half_clips": [self.half_clips.start, self.half_clips.stop]}


STAGES = (
    Stage("model", Settings(2400, 1.2e-3), clips=8, half_clips=range(400, 1700)),
    Stage("looks", Settings(2000, 1.2e-3, seed=1), clips=24, frames=4, subject_weight=SUBJECT_WEIGHT),
    Stage(
        "words", Settings(1000, 1e-3, seed=2), clips=24, frames=4, balance=5, subject_weight=SUBJECT_WEIGHT, placed=700
    ),
    Stage("motion", Settings(450, 6e-4, seed=3), clips=8, balance=5, subject_weight=SUBJECT_WEIGHT, placed=700),
)


def draw_frames(example: TrainingExample, count: int) -> tuple[Tensor, Tensor]:
    """Single frames of random clips: (count, 3, H, W) in -1..1, and what an error weighs, (count, 1, H, W)."""
    frames, covers = [], []
    for _ in range(count // 4):
        actors = [draw_actor(example.rng, 4) for _ in range(2 if example.rng.random() < TWO_ACTORS else 1)]
        frames.append(render(draw_ground(example.rng), actors))
        covers.append(torch.stack([cover(actor) for actor in actors]).amax(0))
    return torch.cat(frames).permute(0, 3, 1, 2) * 2 - 1, 1 + SUBJECT_WEIGHT * torch.cat(covers)[:, None]


def train_autoencoder(work: Path) -> dict[str, Trainer]:
    """First at half the size, where a step costs a quarter; then grown by a level and trained on."""
    small = build.build_autoencoder((16, 32, 64))
    start_certain(small)
    first = _fit_autoencoder(small, SMALL_AUTOENCODER, work / "small_autoencoder", shrink=2)
    full = build.build_autoencoder((16, 16, 32, 64))
    grow(small, full)
    return {
        "small_autoencoder": first,
        "autoencoder": _fit_autoencoder(full, AUTOENCODER, work / "autoencoder", shrink=1),
    }


def polish_decoder(vae: Any, work: Path) -> Trainer:
    """Train the decoder on, on slightly noisy latents; the encoder, and with it every latent, stays as it is."""
    decoder = nn.ModuleDict({"post_quant_conv": vae.post_quant_conv, "decoder": vae.decoder})
    trainer = Trainer(decoder, DECODER, work / "decoder")

    def loss_at(example: TrainingExample, step: int) -> Tensor:
        pixels, weight = draw_frames(example, FRAMES_PER_STEP)
        with torch.no_grad():
            latents = vae.encode(pixels).latent_dist.mode()
        noise = LATENT_NOISE * torch.randn(latents.shape, generator=example.generator)
        error = vae.decode(latents + noise).sample - pixels
        return (weight * (error.abs() + 2 * error.square())).mean()

    trainer.run(loss_at)
    trainer.load_average()
    return trainer


def _fit_autoencoder(vae: Any, settings: Settings, folder: Path, shrink: int) -> Trainer:
    trainer = Trainer(vae, settings, folder)

    def loss_at(example: TrainingExample, step: int) -> Tensor:
        pixels, weight = (functional.avg_pool2d(x, shrink) for x in draw_frames(example, FRAMES_PER_STEP))
        posterior = vae.encode(pixels).latent_dist
        error = vae.decode(posterior.sample(example.generator)).sample - pixels
        return (weight * (error.abs() + 2 * error.square())).mean() + KL_WEIGHT * posterior.kl().mean()

    trainer.run(loss_at)
    trainer.load_average()
    return trainer


@torch.no_grad()
def encode_clips(vae: Any, work: Path, seed: int = 1) -> Tensor:
    """The training set, encoded once: latents (K, N, 4, 8, 8), whitened together with the autoencoder."""
    path = work / "latents.safetensors"
    if not path.exists():
        latents = []
        for number in range(CLIPS):
            clip, _, _ = draw_clip(random.Random(f"{seed} {number}"))
            latents.append(vae.encode(clip.permute(0, 3, 1, 2) * 2 - 1).latent_dist.mode().half())
            if number % 500 == 0:
                print(f"encoded {number} of {CLIPS} clips", flush=True)
        save_file({"latents": torch.stack(latents).contiguous()}, path)
    raw = load_file(path)["latents"].float()
    return whiten(vae, raw, dim=2)(raw)


def draw_scene(number: int, seed: int = 1) -> tuple[Actor, Ground]:
    """Who acts before what in clip `number` of the training set."""
    rng = random.Random(f"{seed} {number}")
    return draw_actor(rng), draw_ground(rng)


def draw_batch(
    latents: Tensor, stage: Stage, example: TrainingExample, frames: int
) -> tuple[Tensor, Tensor, list[str]]:
    """Windows of random clips: latents (B, 4, N, 8, 8), the subject's cover (B, 1, N, 8, 8), captions."""
    x0, covers, captions = [], [], []
    for _ in range(stage.clips):
        number = example.rng.randrange(len(latents))
        first = example.rng.randrange(FRAMES - frames + 1)
        actor, ground = draw_scene(number)
        x0.append(latents[number, first : first + frames])
        covers.append(cover(actor, latents.shape[-1])[first : first + frames])
        captions.append("" if example.rng.random() < NO_CAPTION else draw_caption(actor.subject, ground, example.rng))
    return torch.stack(x0).transpose(1, 2), torch.stack(covers)[:, None], captions


def weigh(stage: Stage, schedule: NoiseSchedule, t: Tensor, subject: Tensor) -> Tensor:
    """What an error weighs, (B, 1, N, h, w). t: (B,); subject: how much of each latent pixel the subject covers."""
    abar = schedule.alpha_bars[t].float().view(-1, 1, 1, 1, 1)
    level = ((1 - abar) / abar).clamp(1 / stage.balance, stage.balance)
    return level * (1 + stage.subject_weight * subject * (t < stage.placed).view(-1, 1, 1, 1, 1))


def train_stage(parts: nn.ModuleDict, tokenizer: Any, latents: Tensor, stage: Stage, work: Path) -> Trainer:
    """Train on from the weights that `parts` has; it ends with their average over the stage's last steps."""
    trainer = Trainer(parts, stage.settings, work / stage.name)
    schedule = NoiseSchedule.scaled_linear()

    def loss_at(example: TrainingExample, step: int) -> Tensor:
        frames = stage.frames // 2 if step in stage.half_clips else stage.frames
        x0, subject, captions = draw_batch(latents, stage, example, frames)
        tokens = tokenizer(
            captions, padding="max_length", truncation=True, max_length=build.TEXT_LENGTH, return_tensors="pt"
        )
        eps = torch.randn(x0.shape, generator=example.generator)
        t = torch.randint(0, schedule.steps, (len(x0),), generator=example.generator)
        weight = weigh(stage, schedule, t, subject)
        text = parts["text_encoder"](tokens.input_ids)[0]
        predicted = parts["unet"](schedule.add_noise(x0, eps, t), t, text).sample
        return (weight * (predicted - eps).square()).mean()

    with sdpa_kernel(SDPBackend.MATH):  # the fastest on a CPU for sequences as short as these
        trainer.run(loss_at)
    trainer.load_average()
    return trainer


def train_model(latents: Tensor, work: Path) -> tuple[dict[str, Trainer], nn.ModuleDict]:
    torch.manual_seed(STAGES[0].settings.seed)
    tokenizer = build.build_tokenizer()
    parts = nn.ModuleDict({"unet": build.build_unet(), "text_encoder": build.build_text_encoder(len(tokenizer))}).eval()
    return {stage.name: train_stage(parts, tokenizer, latents, stage, work) for stage in STAGES}, parts


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.starter.train", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints; resumed if it has some")
    parser.add_argument("--export", type=Path, help="write the finished diffusers folder here")
    args = parser.parse_args()
    torch.manual_seed(0)
    coders = train_autoencoder(args.work)
    vae = coders["autoencoder"].module.eval()
    latents = encode_clips(vae, args.work)
    stages, parts = train_model(latents, args.work)
    trainers = coders | stages | {"decoder": polish_decoder(vae, args.work)}
    if args.export:
        record = {name: trainer.record() for name, trainer in trainers.items()} | {
            "stages": [stage.record() for stage in STAGES],
            "clips": CLIPS,
            "frames": FRAMES,
            "hardware": f"{platform.machine()} CPU, {torch.get_num_threads()} threads",
            "torch": torch.__version__,
        }
        export(args.export, vae, parts["unet"], parts["text_encoder"], record)


if __name__ == "__main__":
    main()
