"""Samples a clip from noise under a prompt and any number of motions, and runs the same road backwards (DDIM)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .adapter import Adapter
from .adapting import Adaptation, adapt
from .debias import DEBIAS_MODES
from .denoiser import Denoiser
from .embedding import MotionEmbedding
from .errors import OptionError
from .injection import Injection, check_strength, inject

BRANCHES = ("both", "conditional")
Progress = Callable[[int, int], None]
"""Called after each step with its number (from 1) and how many there are."""


def check_span(start: float, end: float) -> None:
    """Raises OptionError unless 0 <= start <= end <= 1."""
    if not 0 <= start <= end <= 1:
        raise OptionError(f"start is {start} and end {end}; use 0 <= start <= end <= 1")


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
        check_span(self.start, self.end)


@dataclass(frozen=True)
class AppliedMotion:
    """A motion embedding and how it is felt."""

    embedding: MotionEmbedding
    config: ApplyConfig = ApplyConfig()

    @contextmanager
    def at_work(self, module: nn.Module, guided: bool) -> Iterator[Injection]:
        """Within the block the model feels it; guided: whether a batch holds both halves of guidance."""
        config, felt = self.config, self.embedding
        if felt.debiased_by == "none":
            felt = felt.debiased(config.debias)
        with inject(module, felt, config.strength_qk, config.strength_v) as injection:
            if config.branches == "conditional" and guided:
                injection.gate = torch.tensor([0.0, 1.0])
            yield injection


@dataclass(frozen=True)
class AdaptConfig:
    """How an adapter is felt. start, end: the part of sampling, 0..1, in which it is felt. Raises OptionError."""

    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        check_strength("strength", self.strength)
        check_span(self.start, self.end)


@dataclass(frozen=True)
class AppliedAdapter:
    """An adapter and how it is felt."""

    adapter: Adapter
    config: AdaptConfig = AdaptConfig()

    @contextmanager
    def at_work(self, module: nn.Module, guided: bool) -> Iterator[Adaptation]:
        """Within the block the model feels it, in both halves of guidance."""
        device = next(module.parameters()).device
        with adapt(module, self.adapter.moved(device), self.config.strength) as adaptation:
            yield adaptation


Applied = AppliedMotion | AppliedAdapter


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    noise: Tensor,
    text: Tensor,
    negative: Tensor | None = None,
    motions: Sequence[Applied] = (),
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
def injected(denoiser: Denoiser, motions: Sequence[Applied], guided: bool) -> Iterator[Callable[[float], None]]:
    """Puts the motions into the model; gives a function that says how far sampling is, 0..1."""
    with ExitStack() as stack:
        live: list[tuple[Injection | Adaptation, ApplyConfig | AdaptConfig]] = []
        for motion in motions:
            at_work: Any = motion.at_work(denoiser.module, guided)
            live.append((stack.enter_context(at_work), motion.config))

        def feel(progress: float) -> None:
            for felt, config in live:
                felt.active = config.start <= progress and (progress < config.end or config.end == 1)

        yield feel


def _spread(text: Tensor, like: Tensor) -> Tensor:
    return text.expand(len(like), -1, -1)
