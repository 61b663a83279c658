"""The whole way on a loaded model: a clip to its motion, a prompt and motions to a new clip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from .diffusion.initial_noise import NOISE_METHODS, mix
from .errors import OptionError
from .guidance.dmt import Dmt
from .guidance.methods import Config, look_at
from .guidance.motion_clone import MotionClone, MotionCloneConfig
from .models.zeroscope.loading import VideoModel
from .motions.embedding import Origin
from .recipes.learn_config import LearnConfig
from .recipes.recipe import Recipe
from .sampling.sample import Applied, Progress, invert, sample
from .sampling.step import Steering
from .training.adapter_learning import LearntAdapter, fit_adapter
from .training.early_stop import AppearanceStop
from .training.examples import Example, ReferenceSet
from .training.loop import Callback
from .training.train import Learnt, fit
from .training.validation import Report
from .video.pictures.augmentation import AugmentConfig, augment
from .video.pictures.recolouring import recolour
from .video.reading import Clip


@dataclass(frozen=True)
class GenerateConfig:
    """What to make. frames; width, height in pixels; steps: sampling steps; guidance: classifier-free scale;
    noise: where sampling starts, see `motion_core.diffusion.initial_noise`; beta, factor: of the noise methods. Raises OptionError.
    """

    frames: int = 16
    width: int = 64
    height: int = 64
    steps: int = 25
    guidance: float = 6.0
    negative: str = ""
    noise: str = "random"
    beta: float = 0.5
    factor: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= 1024:
            raise OptionError(f"frames is {self.frames}; choose 1 to 1024")
        for side in ("width", "height"):
            if not 8 <= getattr(self, side) <= 4096:
                raise OptionError(f"{side} is {getattr(self, side)}; choose 8 to 4096 pixels")
        if not 1 <= self.steps <= 999:
            raise OptionError(f"steps is {self.steps}; choose 1 to 999 (20 to 50 are usual)")
        if not (math.isfinite(self.guidance) and 0 <= self.guidance <= 100):
            raise OptionError(f"guidance is {self.guidance}; choose 0 to 100 (6 to 12 are usual, 1 is none)")
        if self.noise not in NOISE_METHODS:
            raise OptionError(f"noise is {self.noise!r}; use one of {', '.join(NOISE_METHODS)}")
        if not 0 <= self.beta <= 1:
            raise OptionError(f"beta is {self.beta}; choose 0 (random) to 1 (inverted)")
        if not 0 <= self.seed < 2**63:
            raise OptionError(f"seed is {self.seed}; choose a whole number from 0 to 2^63 - 1")


def learn_motion(
    model: VideoModel,
    clip: Clip,
    prompt: str,
    config: LearnConfig,
    callback: Callback | None = None,
    mask: Clip | None = None,
    validated: Report | None = None,
) -> Learnt:
    """Learn the motion of a clip whose looks `prompt` describes. mask: a clip that is white where the loss counts;
    callback, validated: as in `fit`.

    Raises MotionError.
    """
    versions = recolour(clip.frames, config.colourings)
    latents = torch.cat([model.encode(version) for version in versions])
    text = model.encode_text([prompt] + [""] * (len(versions) - 1))  # the words name the colours of the first alone
    weights = None if mask is None else shrink_mask(mask.frames, latents)
    learnt = fit(model.denoiser, latents, text, config, callback, weights, validated)
    height, width = clip.frames.shape[1:3]
    origin = Origin(width, height, clip.fps, prompt, config.seed, {**config.recipe(), "model": model.name})
    return replace(learnt, embedding=replace(learnt.embedding, origin=origin))


@dataclass(frozen=True)
class Captioned:
    """A clip and what it shows."""

    clip: Clip
    caption: str


@dataclass(frozen=True)
class Shown:
    """What a recipe learns from. clips: what they share is learnt; regularisation: related clips, or single frames,
    that do not show it; subjects: single frames whose looks are learnt too; augmentation: of the clips, none for None.
    """

    clips: Sequence[Captioned]
    regularisation: Sequence[Captioned] = ()
    subjects: Sequence[Captioned] = ()
    augmentation: AugmentConfig | None = None


def learn_adapter(
    model: VideoModel,
    shown: Shown,
    recipe: Recipe,
    seed: int = 0,
    callback: Callback | None = None,
    stop: AppearanceStop | None = None,
) -> LearntAdapter:
    """Learn what captioned clips share, as a recipe says. stop: may end it early. Raises MotionError."""

    def encode(captioned: Sequence[Captioned]) -> list[Example]:
        return [Example(model.encode(each.clip.frames), model.encode_text([each.caption])) for each in captioned]

    clips = shown.clips if shown.augmentation is None else _vary(shown.clips, shown.augmentation)
    references = ReferenceSet(encode(clips), encode(shown.regularisation), encode(shown.subjects))
    learnt = fit_adapter(model.denoiser, references, recipe, seed, callback, stop)
    first = shown.clips[0]
    height, width = first.clip.frames.shape[1:3]
    about = {**recipe.describe(), "frames": len(first.clip.frames), "clips": len(shown.clips), "model": model.name}
    if shown.subjects:
        about["subjects"] = len(shown.subjects)
    if shown.augmentation is not None:
        about |= {"augment": shown.augmentation.how, "versions": shown.augmentation.versions}
    origin = Origin(width, height, first.clip.fps, first.caption, seed, {**about, **learnt.looks})
    return replace(learnt, adapter=replace(learnt.adapter, origin=origin))


def _vary(clips: Sequence[Captioned], config: AugmentConfig) -> list[Captioned]:
    """Each clip's versions, each clip's drawn otherwise."""
    varied = []
    for number, each in enumerate(clips):
        versions = augment(each.clip.frames, replace(config, seed=config.seed + number))
        varied += [replace(each, clip=replace(each.clip, frames=version)) for version in versions]
    return varied


def shrink_mask(frames: Tensor, latents: Tensor) -> Tensor:
    """Pixels (N, H, W, 3) in 0..1 to loss weights (N, h, w) on the grid of latents (1, C, N, h, w)."""
    if len(frames) != latents.shape[2]:
        raise OptionError(f"the mask has {len(frames)} frames and the reference {latents.shape[2]}; give it as many")
    grey = frames.mean(-1)[:, None]
    return functional.interpolate(grey, size=tuple(latents.shape[3:]), mode="area")[:, 0]


def invert_clip(
    model: VideoModel, clip: Clip, steps: int, prompt: str = "", progress: Progress | None = None
) -> Tensor:
    """The noise that leads to a clip, (1, C, N, h, w), for a sampling of `steps` steps."""
    return invert(model.denoiser, model.encode(clip.frames), model.encode_text([prompt]), steps, progress)


def steer_by(
    model: VideoModel, clip: Clip, prompt: str, config: Config, steps: int, progress: Progress | None = None
) -> Dmt | MotionClone:
    """A method of `motion_core.guidance` made ready to steer a sampling of `steps` steps by a clip of the same size.

    prompt: what the clip shows, for DMT; MotionClone looks at it under none. Raises OptionError, ModelError.
    """
    text = model.encode_text(["" if isinstance(config, MotionCloneConfig) else prompt])
    timesteps = model.denoiser.schedule.timesteps(steps)
    return look_at(model.denoiser, model.encode(clip.frames), text, config, timesteps, progress)


def generate_clip(
    model: VideoModel,
    prompt: str,
    config: GenerateConfig,
    motions: Sequence[Applied] = (),
    inverted: Tensor | None = None,
    progress: Progress | None = None,
    steering: Steering | None = None,
) -> Tensor:
    """A new clip, (N, H, W, 3) in 0..1. inverted: from `invert_clip`, for the noise methods that need it; steering:
    from `steer_by`.

    Raises MotionError.
    """
    factor = model.factor
    if config.width % factor or config.height % factor:
        raise OptionError(f"the size is {config.width}x{config.height}; use multiples of {factor}")
    noise = start_noise(model, config, inverted)
    negative, text = model.encode_text([config.negative, prompt]).split(1)
    latents = sample(model.denoiser, noise, text, negative, motions, config.steps, config.guidance, progress, steering)
    return model.decode(latents)


def start_noise(model: VideoModel, config: GenerateConfig, inverted: Tensor | None = None) -> Tensor:
    """(1, C, N, h, w): drawn on the CPU from the seed alone, then mixed with the inverted noise as configured."""
    channels = model.denoiser.module.config.in_channels
    shape = (1, channels, config.frames, config.height // model.factor, config.width // model.factor)
    random = torch.randn(shape, generator=torch.Generator().manual_seed(config.seed)).to(model.device)
    if inverted is not None:
        if tuple(inverted.shape) != shape:
            raise OptionError(
                f"the inverted noise has shape {tuple(inverted.shape)} and the new clip {shape}; "
                "invert the reference at the frames and size of the new clip"
            )
        inverted = inverted.to(random)
    return mix(config.noise, inverted, random, config.beta, config.factor)
