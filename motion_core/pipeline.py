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
from .guidance.dmt import DmtConfig
from .guidance.methods import Config, PreparedGuidance, prepare_guidance
from .hooks.applied import AppliedMotion
from .models.video_model import VideoModel
from .motions.origin import ReferenceInfo
from .options import option
from .progress import Progress, TrainingCallback
from .recipes.recipe import Recipe
from .sampling.inversion import invert
from .sampling.sample import sample
from .sampling.step import Guidance
from .training.examples import Example, ReferenceSet
from .training.observer import Observer
from .training.train import Trained, train
from .video.pictures.augmentation import AugmentConfig, augment
from .video.pictures.recolouring import recolour
from .video.reading import Clip


@dataclass(frozen=True)
class CaptionedClip:
    """A clip and what it shows."""

    clip: Clip
    caption: str


@dataclass(frozen=True)
class References:
    """What a recipe trains on. clips: with the motion that they share; regularisation: related clips, or single frames,
    without it; subjects: single frames whose appearance is trained too; mask: a clip that is white where the loss
    counts; augmentation: of the clips, None for none.
    """

    clips: Sequence[CaptionedClip]
    regularisation: Sequence[CaptionedClip] = ()
    subjects: Sequence[CaptionedClip] = ()
    mask: Clip | None = None
    augmentation: AugmentConfig | None = None


@dataclass(frozen=True)
class GenerateConfig:
    """What to generate. frames; width, height in pixels; steps: sampling steps; guidance: classifier-free scale; noise:
    what sampling starts from, see `motion_core.diffusion.initial_noise`; beta, factor: of the noise methods.
    Raises OptionError.
    """

    frames: int = option(16, minimum=1, maximum=1024, about="Number of frames.", metavar="N")
    width: int = option(64, minimum=8, maximum=4096, about="Width in pixels, a multiple of 8.", metavar="W")
    height: int = option(64, minimum=8, maximum=4096, about="Height in pixels, a multiple of 8.", metavar="H")
    steps: int = option(25, minimum=1, maximum=999, about="Sampling steps.", metavar="N")
    guidance: float = option(6.0, minimum=0.0, maximum=100.0, about="Classifier-free guidance.", metavar="X")
    negative: str = option("", about="What the clip should not look like.", metavar="TEXT")
    noise: str = option("random", choices=NOISE_METHODS, about="What sampling starts from.")
    beta: float = option(
        0.5, minimum=0.0, maximum=1.0, step=0.01, about="Share of inverted noise in a blend.", metavar="X"
    )
    factor: int = option(4, minimum=1, maximum=64, about="Of low_frequency_replace: higher keeps less.", metavar="N")
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


def train_motion(
    model: VideoModel,
    references: References,
    recipe: Recipe,
    *,
    seed: int = 0,
    callback: TrainingCallback | None = None,
    observer: Observer | None = None,
) -> Trained:
    """Trains what the reference clips share, as a recipe says. Raises MotionError."""
    first = references.clips[0]
    height, width = first.clip.frames.shape[1:3]
    info = ReferenceInfo(width, height, first.clip.fps, first.caption, model.name)
    return train(
        model.denoiser,
        encode_references(model, references, recipe.colourings),
        recipe,
        seed=seed,
        info=info,
        callback=callback,
        observer=observer,
    )


def encode_references(model: VideoModel, references: References, colourings: int = 1) -> ReferenceSet:
    """Encodes clips and captions. colourings: in how many each clip is shown. Raises MotionError."""
    clips = references.clips
    if references.augmentation is not None:
        clips = _augment(clips, references.augmentation)
    if colourings > 1:
        clips = [version for clip in clips for version in _recolour(clip, colourings)]
    examples = _encode(model, clips)
    mask = None if references.mask is None else shrink_mask(references.mask.frames, examples[0].latents)
    regularisation, subjects = _encode(model, references.regularisation), _encode(model, references.subjects)
    return ReferenceSet(examples, regularisation, subjects, mask)


def shrink_mask(frames: Tensor, latents: Tensor) -> Tensor:
    """Shrinks pixels (N, H, W, 3) in 0..1 to loss weights (N, h, w) on the grid of latents (1, C, N, h, w)."""
    if len(frames) != latents.shape[2]:
        raise OptionError(f"the mask has {len(frames)} frames and the reference {latents.shape[2]}; give it as many")
    grey = frames.mean(-1)[:, None]
    return functional.interpolate(grey, size=tuple(latents.shape[3:]), mode="area")[:, 0]


def invert_clip(
    model: VideoModel, clip: Clip, steps: int, prompt: str = "", *, progress: Progress | None = None
) -> Tensor:
    """Returns the noise that leads to a clip, (1, C, N, h, w), for a sampling of `steps` steps."""
    return invert(model.denoiser, model.encode(clip.frames), model.encode_text([prompt])[0], steps, progress=progress)


def guide_by_clip(
    model: VideoModel,
    clip: Clip,
    prompt: str,
    config: Config,
    *,
    steps: int,
    progress: Progress | None = None,
) -> PreparedGuidance:
    """Makes a method ready to guide a sampling of `steps` steps by a clip of the same size.

    prompt: what the clip shows, for DMT; the others take the empty one. Raises OptionError, ModelError.
    """
    condition = model.encode_text([prompt if isinstance(config, DmtConfig) else ""])[0]
    levels = model.denoiser.schedule.levels(steps)
    latents = model.encode(clip.frames)
    return prepare_guidance(model.denoiser, latents, condition, config, levels=levels, progress=progress)


def generate_clip(
    model: VideoModel,
    prompt: str,
    config: GenerateConfig,
    motions: Sequence[AppliedMotion] = (),
    *,
    inverted: Tensor | None = None,
    progress: Progress | None = None,
    guidance: Guidance | None = None,
) -> Tensor:
    """Generates a clip, (N, H, W, 3) in 0..1. inverted: from `invert_clip`, for the noise methods that need it;
    guidance: from `guide_by_clip`. Raises MotionError.
    """
    factor = model.factor
    if config.width % factor or config.height % factor:
        raise OptionError(f"the size is {config.width}x{config.height}; use multiples of {factor}")
    noise = make_initial_noise(model, config, inverted)
    negative, condition = model.encode_text([config.negative, prompt])
    latents = sample(
        model.denoiser,
        noise,
        [condition],
        negative,
        motions=motions,
        steps=config.steps,
        scale=config.guidance,
        progress=progress,
        guidance=guidance,
    )
    return model.decode(latents)


def make_initial_noise(model: VideoModel, config: GenerateConfig, inverted: Tensor | None = None) -> Tensor:
    """Returns (1, C, N, h, w), drawn on the CPU from the seed alone and mixed with the inverted noise as configured."""
    shape = model.latent_shape(config.frames, config.height, config.width)
    random = torch.randn(shape, generator=torch.Generator().manual_seed(config.seed)).to(model.device)
    if inverted is not None:
        if tuple(inverted.shape) != shape:
            raise OptionError(
                f"the inverted noise has shape {tuple(inverted.shape)} and the new clip {shape}; "
                "invert the reference at the frames and size of the new clip"
            )
        inverted = inverted.to(random)
    return mix(config.noise, inverted, random, beta=config.beta, factor=config.factor)


def _encode(model: VideoModel, clips: Sequence[CaptionedClip]) -> list[Example]:
    return [Example(model.encode(each.clip.frames), model.encode_text([each.caption])[0]) for each in clips]


def _augment(clips: Sequence[CaptionedClip], config: AugmentConfig) -> list[CaptionedClip]:
    """Returns the versions of all clips. Each clip's are drawn from another seed."""
    varied = []
    for number, each in enumerate(clips):
        versions = augment(each.clip.frames, replace(config, seed=config.seed + number))
        varied += [replace(each, clip=replace(each.clip, frames=version)) for version in versions]
    return varied


def _recolour(each: CaptionedClip, colourings: int) -> list[CaptionedClip]:
    """Returns a clip in several colourings. Only the first has the caption, which names its colours."""
    versions = recolour(each.clip.frames, colourings)
    return [
        CaptionedClip(replace(each.clip, frames=frames), each.caption if number == 0 else "")
        for number, frames in enumerate(versions)
    ]
