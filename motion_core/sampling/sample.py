"""Samples clips from noise under prompts and any number of motions (deterministic, with classifier-free guidance)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from ..diffusion.denoiser import Condition, Denoiser
from ..hooks.applied import AppliedMotion
from ..progress import Progress
from .step import Guidance, Step

NEGATIVE, POSITIVE = "negative", "positive"
"""The branches of classifier-free guidance."""


class SetSwitches(Protocol):
    """Called before a forward. progress: fraction of sampling done, 0..1; running: the branches that run in it."""

    def __call__(self, progress: float, running: Sequence[str]) -> None: ...


@dataclass(frozen=True)
class Branches:
    """The conditions of classifier-free guidance, one for each of B clips. negative: empty for no guidance; apart:
    whether each branch has a forward of its own.
    """

    positive: Sequence[Condition]
    negative: Sequence[Condition]
    scale: float
    apart: bool = False

    @property
    def forwards(self) -> list[tuple[str, ...]]:
        """The branches that run in each forward of a step, the positive one last."""
        if not self.negative or self.scale == 1:
            return [(POSITIVE,)]
        return [(NEGATIVE,), (POSITIVE,)] if self.apart else [(NEGATIVE, POSITIVE)]

    def conditions(self, running: Sequence[str]) -> list[Condition]:
        """Returns the conditions of some branches."""
        return [each for branch in running for each in (self.negative if branch == NEGATIVE else self.positive)]


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    noise: Tensor,
    conditions: Sequence[Condition],
    negative: Condition | None = None,
    *,
    motions: Sequence[AppliedMotion] = (),
    steps: int = 25,
    scale: float = 7.5,
    progress: Progress | None = None,
    guidance: Guidance | None = None,
    apart: bool = False,
) -> Tensor:
    """Samples latents from noise (B, C, N, h, w), in its shape.

    conditions: B of them, or one for all; negative: one for all, None for no classifier-free guidance; scale: of that
    guidance, 1 for none; guidance: takes the steps in its own way, see `motion_core.guidance`; apart: whether the
    branches of classifier-free guidance run one after the other, as a denoiser needs that runs one clip at a time.
    Raises OptionError, ModelError.
    """
    levels = denoiser.schedule.levels(steps)
    positive = list(conditions) if len(conditions) == len(noise) else list(conditions) * len(noise)
    branches = Branches(positive, [] if negative is None else [negative] * len(noise), scale, apart)
    z = noise
    with attached(denoiser, motions) as set_switches:
        for number, (t, t_prev) in enumerate(pairwise([*levels, denoiser.schedule.clean])):
            step = Step(number, len(levels), t, t_prev, positive)
            advance = partial(_advance, denoiser, step, branches, set_switches)
            if guidance is None:
                z = advance(z)
            else:
                set_switches(step.progress, [POSITIVE])  # guidance runs the model under the prompt alone
                z = guidance.guide(z, step, advance)
            if progress is not None:
                progress(number + 1, len(levels))
    return z


def _advance(denoiser: Denoiser, step: Step, branches: Branches, set_switches: SetSwitches, z: Tensor) -> Tensor:
    """Takes an ordinary step."""
    predictions: list[Tensor] = []
    for running in branches.forwards:
        set_switches(step.progress, running)
        inputs = z if len(running) == 1 else torch.cat([z, z])
        t = torch.full((len(inputs),), step.t, device=z.device)
        predictions += denoiser.predict(inputs, t, branches.conditions(running)).chunk(len(running))
    *negative, predicted = predictions
    if negative:
        predicted = negative[0] + branches.scale * (predicted - negative[0])
    return denoiser.schedule.step(z, predicted, step.t, step.t_prev)


@contextmanager
def attached(denoiser: Denoiser, motions: Sequence[AppliedMotion]) -> Iterator[SetSwitches]:
    """Attaches the motions to the model. Yields a function that sets how the next forward applies them."""
    with ExitStack() as stack:
        switches = [(stack.enter_context(motion.attached(denoiser.module)), motion.settings) for motion in motions]

        def set_switches(progress: float, running: Sequence[str]) -> None:
            for switch, settings in switches:
                share = settings.share_at(progress)
                switch.active = share > 0
                switch.gate = find_gate(settings.branches, share, running)

        yield set_switches


def find_gate(branches: str, share: float, running: Sequence[str]) -> Tensor | None:
    """Returns how strongly each of the running branches gets a motion, None for all of them fully."""
    if branches == "conditional" and NEGATIVE in running:
        return torch.tensor([share * (branch == POSITIVE) for branch in running])
    return None if share == 1 else torch.tensor([share])
