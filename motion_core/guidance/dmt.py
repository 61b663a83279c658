"""Diffusion Motion Transfer (DMT, Yatim et al. 2024, arXiv 2311.17009).

The spatial means of features describe layout and motion more than appearance. In the first steps of sampling the
latents are optimised until these means differ from frame to frame as the reference's do. The reference's latents at
each timestep come from its inversion under a prompt of its own. Sampling starts from noise whose low frequencies are
those of the inverted reference (`low_frequency_replace`, factor 4).

Differences from the official code: its loss is a cosine (`distance="cosine"`) and the paper's a squared distance; it
inverts in 999 steps, and we in as many as are sampled. The features are those that its configuration captures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..diffusion.denoiser import Condition, Denoiser
from ..diffusion.interval import check_interval
from ..diffusion.schedule import require_diffusion
from ..errors import OptionError
from ..hooks.feature_means import capture_means
from ..options import option
from ..sampling.step import Advance, Step
from .gradients import optimise
from .shared_options import (
    check_learning_rates,
    ending_rate,
    fade,
    guidance_block,
    guidance_memory,
    guided_from,
    guided_up_to,
    starting_rate,
    steps_of_optimisation,
)

DISTANCES = ("l2", "cosine")


@dataclass(frozen=True)
class DmtConfig:
    """Settings of DMT. block: whose features are compared, see `find_block_features`; distance: `l2` (the paper) or
    `cosine` (the code); optimisation_steps: of Adam at each guided step, at a rate that goes from learning_rate to
    last_learning_rate; start, end: the part of sampling, 0..1, that is guided; restart_end: up to where each step is
    taken again from fresh noise (Xu et al. 2023), 0 for never; memory: see `motion_core.memory.checkpointing`; seed: of
    that noise. Raises OptionError.
    """

    block: str = guidance_block()
    distance: str = option("l2", choices=DISTANCES, about="For dmt: l2 is the paper's, cosine the published code's.")
    optimisation_steps: int = steps_of_optimisation(10)
    learning_rate: float = starting_rate(7e-3)
    last_learning_rate: float = ending_rate(4e-3)
    start: float = guided_from(0.0)
    end: float = guided_up_to(0.4)
    restart_end: float = option(
        1.0,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        about="For dmt: up to this part of sampling each step is taken again from fresh noise; 0 never.",
        metavar="X",
    )
    memory: str = guidance_memory()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.distance not in DISTANCES:
            raise OptionError(f"distance is {self.distance!r}; use one of {', '.join(DISTANCES)}")
        check_learning_rates(self)
        if not 0 <= self.restart_end <= 1:
            raise OptionError(f"restart_end is {self.restart_end}; choose 0 (never) to 1 (at all steps)")
        check_interval(self.start, self.end)

    @property
    def idle(self) -> bool:
        """Whether no step is guided."""
        return (not self.optimisation_steps or self.start == self.end) and not self.restart_end

    def scaled(self, strength: float) -> DmtConfig:
        """Returns settings with `strength` times the learning rates; with 0 nothing is done. Raises OptionError."""
        if strength == 0:
            return replace(self, optimisation_steps=0, restart_end=0.0)
        first, last = (strength * rate for rate in (self.learning_rate, self.last_learning_rate))
        return replace(self, learning_rate=first, last_learning_rate=last)


class Dmt:
    """A `Guidance` towards the way a reference's features differ between frames.

    reference: (t, latents (1, C, N, h, w)) at each timestep of sampling, from `trace_inversion`; condition: of the
    prompt that it was inverted under.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        reference: Iterable[tuple[float, Tensor]],
        condition: Condition,
        config: DmtConfig = DmtConfig(),
    ):
        self.denoiser, self.reference, self.condition, self.config = denoiser, dict(reference), condition, config
        self.schedule = require_diffusion(denoiser.schedule)

    @property
    def inverted(self) -> Tensor:
        """The inverted reference at the noisiest timestep, (1, C, N, h, w), for the initial noise."""
        return self.reference[max(self.reference)]

    def acts_at(self, step: Step) -> bool:
        return self._place(step) is not None or self._restarts_at(step)

    def guide(self, z: Tensor, step: Step, advance: Advance) -> Tensor:
        config, place = self.config, self._place(step)
        if place is not None:
            z = self.optimise(z, step.t, step.conditions, fade(config, *place))
        moved = advance(z)
        if self._restarts_at(step):
            generator = torch.Generator().manual_seed(config.seed + 1 + step.number)
            eps = torch.randn(z.shape, generator=generator).to(z)
            moved = advance(self.schedule.add_more_noise(moved, eps, step.t_prev, step.t))
        return moved

    def optimise(self, z: Tensor, t: float, conditions: Sequence[Condition], learning_rate: float) -> Tensor:
        """Lowers the loss of latents z (B, C, N, h, w) at timestep t under B conditions, by Adam, new each time.

        Raises OptionError where the reference has no latents at t or another length.
        """
        if t not in self.reference:
            raise OptionError(f"the reference was not inverted at timestep {t}; invert it in the steps that you sample")
        with torch.no_grad():
            target = self._means(self.reference[t], t, [self.condition])

        def loss_of(latents: Tensor) -> Tensor:
            means = self._means(latents, t, conditions)
            losses = [_LOSSES[self.config.distance](means[name], target[name]) for name in target]
            return torch.stack(losses).sum()

        return optimise(self.denoiser, z, t, loss_of, learning_rate=learning_rate, config=self.config)

    def _place(self, step: Step) -> tuple[int, int] | None:
        """Returns the place of this step among those that optimise."""
        return step.place_within(self.config.start, self.config.end) if self.config.optimisation_steps else None

    def _restarts_at(self, step: Step) -> bool:
        return step.progress < self.config.restart_end and step.t_prev >= 0

    def _means(self, z: Tensor, t: float, conditions: Sequence[Condition]) -> dict[str, Tensor]:
        with capture_means(self.denoiser.module, self.config.block, len(z)) as means:
            self.denoiser.predict(z, torch.full((len(z),), t, device=z.device), conditions)
        return means


def pairwise_l2(means: Tensor, reference: Tensor) -> Tensor:
    """Returns the sum over frame pairs of the squared distance of their differences in both clips (the paper's loss).

    means: (B, N, C), reference: (1, N, C), spatial marginal means; summed over clips. Raises OptionError.
    """
    _check_frames(means, reference)
    error = means - reference
    # of N vectors, the squared distances of all ordered pairs are 2 N times those to their mean
    return 2 * error.shape[1] * (error - error.mean(1, keepdim=True)).square().sum()


def pairwise_cosine(means: Tensor, reference: Tensor) -> Tensor:
    """Returns 1 - the mean cosine over frame pairs of their differences in both clips, summed (official code).

    A frame paired with itself counts as 0, so that equal clips score 1 / N. Shapes as in `pairwise_l2`.
    """
    _check_frames(means, reference)
    ours, theirs = (x[:, :, None] - x[:, None] for x in (means, reference))  # (B, N, N, C)
    return (1 - F.cosine_similarity(ours, theirs.expand_as(ours), dim=-1).mean((1, 2))).sum()


_LOSSES = {"l2": pairwise_l2, "cosine": pairwise_cosine}


def _check_frames(means: Tensor, reference: Tensor) -> None:
    if means.shape[1:] != reference.shape[1:]:
        raise OptionError(
            f"the new clip has {means.shape[1]} frames and the reference {reference.shape[1]}; give both one length"
        )
