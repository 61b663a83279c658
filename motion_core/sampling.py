"""Samples a clip from noise under a prompt and any number of motions, and runs the same road backwards (DDIM)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from .debias import DEBIAS_MODES
from .denoiser import Denoiser
from .embedding import MotionEmbedding
from .errors import OptionError
from .injection import Injection, check_strength, inject

BRANCHES = ("both", "conditional")
Progress = Callable[[int, int], None]
"""Called after each step with its number (from 1) and how many there are."""


@dataclass(frozen=True)
class ApplyConfig:
    """How a motion is felt. strength_v: the paper's gamma (0: camera motion only); debias: see `MotionEmbedding`;
    branches: `both` (the paper) or `conditional`, so that guidance amplifies the motion; start, end: the part of
    sampling, 0..1, in which it is felt. Raises OptionError.
    """

    strength_qk: float = 1.0
    strength_v: float = 1.0
    debias: str = "difference"
    branches: str = "both"
    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        check_strength("strength_qk", self.strength_qk)
        check_strength("strength_v", self.strength_v)
        if self.debias not in DEBIAS_MODES:
            raise OptionError(f"debias is {self.debias!r}; use one of {', '.join(DEBIAS_MODES)}")
        if self.branches not in BRANCHES:
            raise OptionError(f"branches is {self.branches!r}; use one of {', '.join(BRANCHES)}")
        if not 0 <= self.start <= self.end <= 1:
            raise OptionError(f"start is {self.start} and end {self.end}; use 0 <= start <= end <= 1")


@dataclass(frozen=True)
class AppliedMotion:
    """A motion embedding and how it is felt."""

    embedding: MotionEmbedding
    config: ApplyConfig = ApplyConfig()


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    noise: Tensor,
    text: Tensor,
    negative: Tensor | None = None,
    motions: Sequence[AppliedMotion] = (),
    steps: int = 25,
    guidance: float = 7.5,
    progress: Progress | None = None,
) -> Tensor:
    """From noise (B, C, N, h, w) to latents of the same shape, with classifier-free guidance.

    text, negative: (B, L, D) or (1, L, D) features; without negative, or with guidance 1, no guidance.
    Raises OptionError, ModelError.
    """
    timesteps = denoiser.schedule.timesteps(steps)
    guided = negative is not None and guidance != 1
    conditions = torch.cat(
        [_spread(t, noise) for t in ([negative, text] if guided and negative is not None else [text])]
    )
    z = noise
    with injected(denoiser, motions, guided) as feel:
        for number, t in enumerate(timesteps):
            feel(number / len(timesteps))
            inputs = torch.cat([z, z]) if guided else z
            eps = denoiser.predict(inputs, torch.full((len(inputs),), t, device=z.device), conditions)
            if guided:
                away, towards = eps.chunk(2)
                eps = away + guidance * (towards - away)
            t_prev = timesteps[number + 1] if number + 1 < len(timesteps) else -1
            z = denoiser.schedule.step(z, eps, t, t_prev)
            if progress is not None:
                progress(number + 1, len(timesteps))
    return z


@torch.no_grad()
def invert(
    denoiser: Denoiser, latents: Tensor, text: Tensor, steps: int = 50, progress: Progress | None = None
) -> Tensor:
    """The noise from which `sample` without guidance would lead back to the latents: DDIM inversion.

    latents: (B, C, N, h, w). The noise is predicted at the timestep that a step leads to, as in the official code.
    """
    timesteps = denoiser.schedule.timesteps(steps)[::-1]
    z, t_from = latents, -1
    conditions = _spread(text, latents)
    for number, t in enumerate(timesteps):
        eps = denoiser.predict(z, torch.full((len(z),), t, device=z.device), conditions)
        z = denoiser.schedule.step(z, eps, t_from, t)
        t_from = t
        if progress is not None:
            progress(number + 1, len(timesteps))
    return z


@contextmanager
def injected(denoiser: Denoiser, motions: Sequence[AppliedMotion], guided: bool) -> Iterator[Callable[[float], None]]:
    """Puts the motions into the model; gives a function that says how far sampling is, 0..1."""
    live: list[tuple[Injection, ApplyConfig]] = []
    with ExitStack() as stack:
        for motion in motions:
            config = motion.config
            felt = motion.embedding
            if felt.debiased_by == "none":
                felt = felt.debiased(config.debias)
            injection = stack.enter_context(inject(denoiser.module, felt, config.strength_qk, config.strength_v))
            if config.branches == "conditional" and guided:
                injection.gate = torch.tensor([0.0, 1.0])
            live.append((injection, config))

        def feel(progress: float) -> None:
            for injection, config in live:
                injection.active = config.start <= progress and (progress < config.end or config.end == 1)

        yield feel


def _spread(text: Tensor, like: Tensor) -> Tensor:
    return text.expand(len(like), -1, -1)
