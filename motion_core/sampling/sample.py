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


class SetSwitches(Protocol):
    """Called before a forward. progress: fraction of sampling done, 0..1; guided: whether both branches run in it."""

    def __call__(self, progress: float, *, guided: bool) -> None: ...


@dataclass(frozen=True)
class Branches:
    """The conditions of classifier-free guidance, one for each of B clips. negative: empty for no guidance."""

    positive: Sequence[Condition]
    negative: Sequence[Condition]
    scale: float

    @property
    def guided(self) -> bool:
        return bool(self.negative) and self.scale != 1


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
) -> Tensor:
    """Samples latents from noise (B, C, N, h, w), in its shape.

    conditions: B of them, or one for all; negative: one for all, None for no classifier-free guidance; scale: of that
    guidance, 1 for none; guidance: takes the steps in its own way, see `motion_core.guidance`.
    Raises OptionError, ModelError.
    """
    levels = denoiser.schedule.levels(steps)
    positive = list(conditions) if len(conditions) == len(noise) else list(conditions) * len(noise)
    branches = Branches(positive, [] if negative is None else [negative] * len(noise), scale)
    z = noise
    with attached(denoiser, motions) as set_switches:
        for number, (t, t_prev) in enumerate(pairwise([*levels, denoiser.schedule.clean])):
            step = Step(number, len(levels), t, t_prev, positive)
            advance = partial(_advance, denoiser, step, branches, set_switches)
            if guidance is None:
                z = advance(z)
            else:
                set_switches(step.progress, guided=False)  # guidance runs the model under the prompt alone
                z = guidance.guide(z, step, advance)
            if progress is not None:
                progress(number + 1, len(levels))
    return z


def _advance(denoiser: Denoiser, step: Step, branches: Branches, set_switches: SetSwitches, z: Tensor) -> Tensor:
    """Takes an ordinary step."""
    set_switches(step.progress, guided=branches.guided)
    inputs = torch.cat([z, z]) if branches.guided else z
    conditions = [*branches.negative, *branches.positive] if branches.guided else branches.positive
    predicted = denoiser.predict(inputs, torch.full((len(inputs),), step.t, device=z.device), conditions)
    if branches.guided:
        negative, positive = predicted.chunk(2)
        predicted = negative + branches.scale * (positive - negative)
    return denoiser.schedule.step(z, predicted, step.t, step.t_prev)


@contextmanager
def attached(denoiser: Denoiser, motions: Sequence[AppliedMotion]) -> Iterator[SetSwitches]:
    """Attaches the motions to the model. Yields a function that sets how the next forward applies them."""
    with ExitStack() as stack:
        switches = [(stack.enter_context(motion.attached(denoiser.module)), motion.settings) for motion in motions]

        def set_switches(progress: float, *, guided: bool) -> None:
            for switch, settings in switches:
                share = settings.share_at(progress)
                switch.active = share > 0
                switch.gate = find_gate(settings.branches, share) if guided else find_gate("both", share)

        yield set_switches


def find_gate(branches: str, share: float) -> Tensor | None:
    """Returns how strongly a negative and a positive prompt get a motion, None for fully."""
    if branches == "conditional":
        return torch.tensor([0.0, share])
    return None if share == 1 else torch.tensor([share])
