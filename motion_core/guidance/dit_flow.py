"""DiTFlow (Pondaven et al. 2025, arXiv 2412.07776): guidance for models whose frames see each other's places.

The attention motion flow says, for each place of a frame, where in each other frame the place lies that it attends to
most. The reference's is taken from one block, of the clean clip. In the first steps of sampling the latents are
optimised until their own flow is the reference's.

Paper and official code differ, and we follow the code: the flow is between all pairs of frames; the maps of all heads
are averaged before the softmax; places that do not move in the reference are left out of the loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..diffusion.denoiser import Condition, Denoiser
from ..diffusion.interval import check_interval
from ..errors import OptionError
from ..hooks.query_key import QueriesAndKeys, capture_queries_and_keys
from ..models.families import find_sites
from ..options import option
from ..sampling.step import Advance, Step
from .gradients import optimise
from .shared_options import (
    check_learning_rates,
    ending_rate,
    fade,
    guidance_memory,
    guided_from,
    guided_up_to,
    starting_rate,
    steps_of_optimisation,
)


@dataclass(frozen=True)
class DitFlowConfig:
    """Settings of DiTFlow. depth: of the block whose attention is followed, as a share of the model's (blocks 15 of 30
    and 20 of 42 in the code); temperature: of the soft flow, a factor on the attention's logits; optimisation_steps: of
    Adam at each guided step, at a rate that goes from learning_rate to last_learning_rate; start, end: the part of
    sampling, 0..1, that is guided; memory: see `motion_core.memory.checkpointing`; seed: unused, nothing is drawn.
    Raises OptionError.
    """

    depth: float = option(
        0.5,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        about="For dit_flow: which block is followed, 0 the first, 1 the last.",
        metavar="X",
    )
    temperature: float = option(
        2.0, minimum=0.01, maximum=100.0, about="For dit_flow: how sharply attention is followed.", metavar="X"
    )
    optimisation_steps: int = steps_of_optimisation(5)
    learning_rate: float = starting_rate(2e-3)
    last_learning_rate: float = ending_rate(1e-3)
    start: float = guided_from(0.0)
    end: float = guided_up_to(0.2)
    memory: str = guidance_memory()
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.depth <= 1:
            raise OptionError(f"depth is {self.depth}; choose 0 (the first block) to 1 (the last)")
        if not (math.isfinite(self.temperature) and 0 < self.temperature <= 100):
            raise OptionError(f"temperature is {self.temperature}; choose above 0 and up to 100 (2 is usual)")
        check_learning_rates(self)
        check_interval(self.start, self.end)

    @property
    def idle(self) -> bool:
        """Whether no step is guided."""
        return not self.optimisation_steps or self.start == self.end

    def scaled(self, strength: float) -> DitFlowConfig:
        """Returns settings with `strength` times the learning rates; with 0 nothing is done. Raises OptionError."""
        if strength == 0:
            return replace(self, optimisation_steps=0)
        first, last = (strength * rate for rate in (self.learning_rate, self.last_learning_rate))
        return replace(self, learning_rate=first, last_learning_rate=last)


class DitFlow:
    """A `Guidance` towards a reference's attention motion flow. flow: (1, N, N, h*w, 2), hard, of the reference."""

    def __init__(self, denoiser: Denoiser, flow: Tensor, config: DitFlowConfig):
        self.denoiser, self.flow, self.config = denoiser, flow, config

    @classmethod
    def of(
        cls, denoiser: Denoiser, latents: Tensor, condition: Condition, config: DitFlowConfig = DitFlowConfig()
    ) -> DitFlow:
        """Makes it from the reference's clean latents (1, C, N, h, w) and condition, the empty prompt's in the code.

        It takes a part of one forward. Raises ModelError for a model whose frames do not see each other's places.
        """
        with torch.inference_mode(False), torch.no_grad():  # a backward needs the flow later
            found = look(denoiser, latents, denoiser.schedule.clean, [condition], depth=config.depth)
            flow = torch.stack([hard_flow(found, frame) for frame in range(found.q.shape[1])], 1)
        return cls(denoiser, flow, config)

    def acts_at(self, step: Step) -> bool:
        return not self.config.idle and step.place_within(self.config.start, self.config.end) is not None

    def guide(self, z: Tensor, step: Step, advance: Advance) -> Tensor:
        place = step.place_within(self.config.start, self.config.end)
        if place is not None and not self.config.idle:
            z = self.optimise(z, step.t, step.conditions, fade(self.config, *place))
        return advance(z)

    def optimise(self, z: Tensor, t: float, conditions: Sequence[Condition], learning_rate: float) -> Tensor:
        """Lowers the loss of latents z (B, C, N, h, w) at noise level t under B conditions. Raises OptionError."""

        def loss_of(latents: Tensor) -> Tensor:
            found = look(self.denoiser, latents, t, conditions, depth=self.config.depth)
            return flow_match(found, self.flow, self.config.temperature)

        return optimise(self.denoiser, z, t, loss_of, learning_rate=learning_rate, config=self.config)


def look(denoiser: Denoiser, z: Tensor, t: float, conditions: Sequence[Condition], *, depth: float) -> QueriesAndKeys:
    """Returns what the attention at a depth, 0..1 of the model's, compares for z (B, C, N, h, w) at noise level t."""
    sites = find_sites(denoiser.module)
    site = sites[min(int(depth * len(sites)), len(sites) - 1)]
    with capture_queries_and_keys(site) as found:
        denoiser.predict(z, torch.full((len(z),), t, device=z.device), conditions)
    return found[0]


def flow_match(found: QueriesAndKeys, reference: Tensor, temperature: float) -> Tensor:
    """Returns the mean squared difference of the soft flow where the reference moves, summed over clips.

    reference: (1, N, N, h*w, 2). Raises OptionError for another length or size.
    """
    count, places = found.q.shape[1:3]
    if reference.shape[1:4] != (count, count, places):
        raise OptionError(
            f"the new clip has {count} frames of {places} places and the reference {reference.shape[1]} of "
            f"{reference.shape[3]}; give both one length and size"
        )
    moves = reference.ne(0).any(-1)
    total = torch.zeros((), device=reference.device)
    for frame in range(count):  # one at a time and computed again in the backward, since a map has (N h w)^2 values
        flow = checkpoint(soft_flow, found, frame, temperature, use_reentrant=False)
        error = (flow - reference[:, frame]).square().sum(-1)
        total = total + (error * moves[:, frame]).sum()
    return total / (2 * moves.sum().clamp(min=1))


def soft_flow(found: QueriesAndKeys, frame: int, temperature: float) -> Tensor:
    """Returns the mean displacement under attention from a frame's places to those of each frame, (B, N, h*w, 2)."""
    places = list_places(found)
    attention = torch.softmax(temperature * compare(found, frame), -1)
    return attention @ places - places


def hard_flow(found: QueriesAndKeys, frame: int) -> Tensor:
    """Returns the displacement to the place that is attended to most, shaped as in `soft_flow`."""
    places = list_places(found)
    return places[compare(found, frame).argmax(-1)] - places


def compare(found: QueriesAndKeys, frame: int) -> Tensor:
    """Returns q k^T / sqrt(d) of a frame's places with those of all frames, averaged over heads: (B, N, h*w, h*w)."""
    width = found.q.shape[-1] // found.heads
    return found.q[:, frame, None] @ found.k.mT / (found.heads * width**0.5)


def list_places(found: QueriesAndKeys) -> Tensor:
    """(h*w, 2): column and row."""
    h, w = found.grid
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    return torch.stack([columns, rows], -1).flatten(0, 1).to(found.q)
