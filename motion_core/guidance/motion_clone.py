"""MotionClone (Ling et al. 2024, arXiv 2406.05338).

The primary temporal attention of a reference is, for each frame and place, the frame that it attends to most. A
gradient moves the new clip towards the same attention.

Differences between paper and official code, which we follow where it decides whether the method works:
- The paper's g is the squared norm of the masked difference; the code takes its mean and sums over sites, and the
  weight of 2000 belongs to that.
- The paper subtracts sqrt(1 - abar_t) weight grad g from the noise. In DDIM's step that raises g, since what is no
  noise goes into x0. The code keeps x0 and subtracts from the direction to z_t_prev alone, which moves z_t_prev by
  -sqrt((1 - abar_t)(1 - abar_prev)) weight grad g and lowers it. So do we, behind any sampler's step.
- The code spends 180 of 300 steps on the noisiest 40 % of the timesteps; ours are evenly spaced, so fewer of them
  are guided. Classifier-free guidance s there is s + 1 here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..diffusion.denoiser import Condition, Denoiser
from ..diffusion.interval import check_interval
from ..diffusion.schedule import require_diffusion
from ..errors import ModelError, OptionError
from ..hooks.attention_maps import capture
from ..models.families import find_sites
from ..options import option
from ..sampling.step import Advance, Step
from .gradients import differentiable, differentiate
from .shared_options import guidance_block, guidance_memory, guided_from, guided_up_to


@dataclass(frozen=True)
class MotionCloneConfig:
    """Settings of MotionClone. weight: of the loss; block: whose temporal attention is compared; timestep: at which
    the reference's attention is taken; start, end: the part of sampling, 0..1, that is guided; warm_up, cool_down: the
    shares of its steps in which the weight rises and falls (10 of 180); memory: see
    `motion_core.memory.checkpointing`; seed: of the reference's noise. Raises OptionError.
    """

    weight: float = option(
        2000.0, minimum=0.0, about="For motion_clone: how strongly it guides, 0 not at all.", metavar="X"
    )
    block: str = guidance_block()
    timestep: int = 400
    start: float = guided_from(0.0)
    end: float = guided_up_to(0.4)
    warm_up: float = 1 / 18
    cool_down: float = 1 / 18
    memory: str = guidance_memory()
    seed: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise OptionError(f"weight is {self.weight}; choose 0 (off) or more (2000 is usual)")
        if self.timestep < 0:
            raise OptionError(f"timestep is {self.timestep}; choose 0 or more (400 is usual)")
        for name in ("warm_up", "cool_down"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} is {getattr(self, name)}; choose 0 to 1, a share of the guided steps")
        check_interval(self.start, self.end)

    @property
    def idle(self) -> bool:
        """Whether no step is guided."""
        return not self.weight or self.start == self.end

    def scaled(self, strength: float) -> MotionCloneConfig:
        """Returns settings with `strength` times the weight. Raises OptionError."""
        return replace(self, weight=strength * self.weight)


@dataclass(frozen=True)
class Primary:
    """The largest value of each row of attention, and its place: two of (1, HW, heads, N, 1)."""

    place: Tensor
    value: Tensor


class MotionClone:
    """A `Guidance` towards a reference's primary temporal attention."""

    def __init__(self, denoiser: Denoiser, primaries: Mapping[str, Primary], config: MotionCloneConfig):
        self.denoiser, self.primaries, self.config = denoiser, dict(primaries), config
        self.schedule = require_diffusion(denoiser.schedule)

    @classmethod
    def of(
        cls, denoiser: Denoiser, latents: Tensor, condition: Condition, config: MotionCloneConfig = MotionCloneConfig()
    ) -> MotionClone:
        """Makes it from the reference's latents (1, C, N, h, w) and condition, the empty prompt's in the paper.

        It takes one forward on the latents with random noise. Raises OptionError, ModelError.
        """
        sites = [site.name for site in find_sites(denoiser.module) if site.name.startswith(f"{config.block}.")]
        if not sites:
            raise ModelError(f"this model has no temporal attention in {config.block!r}; name one such as up_blocks.1")
        schedule = require_diffusion(denoiser.schedule)
        if config.timestep >= schedule.steps:
            raise OptionError(f"timestep is {config.timestep}; choose one below the model's {schedule.steps}")
        eps = torch.randn(latents.shape, generator=torch.Generator().manual_seed(config.seed)).to(latents)
        noisy = schedule.add_noise(latents, eps, config.timestep)
        with torch.inference_mode(False), torch.no_grad():  # a backward needs these tensors later
            with capture(denoiser.module, sites, stop=True, by_head=True) as maps:
                denoiser.predict(noisy, torch.full((1,), config.timestep, device=latents.device), [condition])
            return cls(denoiser, {name: find_primary(attention) for name, attention in maps.items()}, config)

    def acts_at(self, step: Step) -> bool:
        return bool(self.config.weight) and step.place_within(self.config.start, self.config.end) is not None

    def guide(self, z: Tensor, step: Step, advance: Advance) -> Tensor:
        place = step.place_within(self.config.start, self.config.end)
        if place is None or not self.config.weight:
            return advance(z)
        gradient = self.differentiate(z, step.t, step.conditions)
        noise = ((1 - self.schedule.alpha_bar(step.t, z)) * (1 - self.schedule.alpha_bar(step.t_prev, z))).sqrt()
        return advance(z) - ramp(*place, self.config.warm_up, self.config.cool_down) * noise * gradient

    def differentiate(self, z: Tensor, t: float, conditions: Sequence[Condition]) -> Tensor:
        """Returns the gradient of the weighted loss on z (B, C, N, h, w). Raises OptionError for another size."""
        module = self.denoiser.module
        with differentiable(module, z, self.config.memory) as latents:
            with capture(module, list(self.primaries), len(z), stop=True, by_head=True) as maps:
                self.denoiser.predict(latents, torch.full((len(z),), t, device=z.device), conditions)
            losses = [primary_match(maps[name], primary) for name, primary in self.primaries.items()]
            return differentiate(self.config.weight * torch.stack(losses).sum(), latents, t)


def find_primary(attention: Tensor) -> Primary:
    """Finds the largest value of each row of attention (1, HW, heads, N, N)."""
    value, place = attention.max(-1, keepdim=True)
    return Primary(place, value)


def primary_match(attention: Tensor, reference: Primary) -> Tensor:
    """Returns the mean squared difference at the reference's primary places, summed over clips.

    attention: (B, HW, heads, N, N).

    Raises OptionError for other shapes.
    """
    if attention.shape[1:-1] != reference.place.shape[1:-1]:
        new, old = (f"{x.shape[-2]} frames on {x.shape[1]} places" for x in (attention, reference.place))
        raise OptionError(f"the new clip has {new} and the reference {old}; give both one length and size")
    ours = attention.gather(-1, reference.place.expand(len(attention), *reference.place.shape[1:]))
    return (ours - reference.value).square().flatten(1).mean(1).sum()


def ramp(number: int, count: int, warm_up: float, cool_down: float) -> float:
    """Returns the share of the weight at a step: it rises at the start and falls at the end (official code)."""
    rising = min(1.0, (number + 1) / max(warm_up * count, 1))
    return rising * min(1.0, (count - number) / max(cool_down * count, 1))
