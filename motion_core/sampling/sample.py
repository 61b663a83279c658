"""Samples a clip from noise under a prompt and any number of motions, and runs the same road backwards (DDIM)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..diffusion.denoiser import Denoiser
from ..diffusion.interval import check_span
from ..errors import OptionError
from ..hooks.adapter_hooks import Adaptation, adapt
from ..hooks.embedding_hooks import Injection, check_strength, inject
from ..motions.adapter import Adapter
from ..motions.debias import DEBIAS_MODES
from ..motions.embedding import MotionEmbedding
from .step import Steering, Step

BRANCHES = ("both", "conditional")
Progress = Callable[[int, int], None]
"""Called after each step with its number (from 1) and how many there are."""
Feel = Callable[[float, bool], None]
"""Called before a forward with how far sampling is, 0..1, and whether the forward has both branches of guidance."""


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
    def at_work(self, module: nn.Module) -> Iterator[Injection]:
        """Within the block the model feels it."""
        config, felt = self.config, self.embedding
        if felt.debiased_by == "none":
            felt = felt.debiased(config.debias)
        with inject(module, felt, config.strength_qk, config.strength_v) as injection:
            yield injection


@dataclass(frozen=True)
class AdaptConfig:
    """How an adapter is felt. start, end, branches: as in `ApplyConfig`. Raises OptionError."""

    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    branches: str = "both"

    def __post_init__(self) -> None:
        check_strength("strength", self.strength)
        if self.branches not in BRANCHES:
            raise OptionError(f"branches is {self.branches!r}; use one of {', '.join(BRANCHES)}")
        check_span(self.start, self.end)


@dataclass(frozen=True)
class AppliedAdapter:
    """An adapter and how it is felt."""

    adapter: Adapter
    config: AdaptConfig = AdaptConfig()

    @contextmanager
    def at_work(self, module: nn.Module) -> Iterator[Adaptation]:
        """Within the block the model feels it."""
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
    steering: Steering | None = None,
) -> Tensor:
    """From noise (B, C, N, h, w) to latents of the same shape, with classifier-free guidance.

    text, negative: (B, L, D) or (1, L, D) features; without negative, or with guidance 1, no guidance.
    steering: takes the steps in its own way, see `motion_core.guidance`. Raises OptionError, ModelError.
    """
    timesteps = denoiser.schedule.timesteps(steps)
    guided = negative is not None and guidance != 1
    conditions = _spread(text, noise)
    branches = torch.cat([_spread(negative, noise), conditions]) if guided and negative is not None else conditions
    z = noise
    with injected(denoiser, motions) as feel:
        for number, t in enumerate(timesteps):
            t_prev = timesteps[number + 1] if number + 1 < len(timesteps) else -1
            step = Step(number, len(timesteps), t, t_prev, conditions)
            advance = partial(_advance, denoiser, step, branches, guidance, feel)
            if steering is None:
                z = advance(z)
            else:
                feel(step.progress, False)  # what it asks of the model it asks under the prompt alone
                z = steering.steer(z, step, advance)
            if progress is not None:
                progress(number + 1, len(timesteps))
    return z


def _advance(denoiser: Denoiser, step: Step, branches: Tensor, guidance: float, feel: Feel, z: Tensor) -> Tensor:
    """An ordinary step. branches: (2B, L, D), away from and towards, or (B, L, D) without guidance."""
    guided = len(branches) > len(z)
    feel(step.progress, guided)
    inputs = torch.cat([z, z]) if guided else z
    eps = denoiser.predict(inputs, torch.full((len(inputs),), step.t, device=z.device), branches)
    if guided:
        away, towards = eps.chunk(2)
        eps = away + guidance * (towards - away)
    return denoiser.schedule.step(z, eps, step.t, step.t_prev)


def invert(
    denoiser: Denoiser, latents: Tensor, text: Tensor, steps: int = 50, progress: Progress | None = None
) -> Tensor:
    """The noise from which `sample` without guidance would lead back to the latents: the end of `trace_inversion`."""
    timesteps = denoiser.schedule.timesteps(steps)
    _t, z = deque(trace_inversion(denoiser, latents, text, timesteps, progress), maxlen=1).pop()
    return z


@torch.no_grad()
def trace_inversion(
    denoiser: Denoiser, latents: Tensor, text: Tensor, timesteps: Sequence[int], progress: Progress | None = None
) -> Iterator[tuple[int, Tensor]]:
    """DDIM inversion: the latents at each of the timesteps of a sampling, least noisy first.

    latents: (B, C, N, h, w); timesteps: noisiest first, as sampling takes them. The noise is predicted at the timestep
    that a step leads to, as in the official code.
    """
    z, t_from = latents, -1
    conditions = _spread(text, latents)
    for number, t in enumerate(reversed(timesteps)):
        eps = denoiser.predict(z, torch.full((len(z),), t, device=z.device), conditions)
        z = denoiser.schedule.step(z, eps, t_from, t)
        t_from = t
        if progress is not None:
            progress(number + 1, len(timesteps))
        yield t, z


@contextmanager
def injected(denoiser: Denoiser, motions: Sequence[Applied]) -> Iterator[Feel]:
    """Puts the motions into the model; gives a function that says how the next forward feels them."""
    with ExitStack() as stack:
        live: list[tuple[Injection | Adaptation, ApplyConfig | AdaptConfig]] = []
        for motion in motions:
            at_work: Any = motion.at_work(denoiser.module)
            live.append((stack.enter_context(at_work), motion.config))

        def feel(progress: float, guided: bool) -> None:
            for felt, config in live:
                felt.active = config.start <= progress and (progress < config.end or config.end == 1)
                felt.gate = torch.tensor([0.0, 1.0]) if config.branches == "conditional" and guided else None

        yield feel


def _spread(text: Tensor, like: Tensor) -> Tensor:
    return text.expand(len(like), -1, -1)
