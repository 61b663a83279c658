"""Which noise levels training visits. Timesteps are 0-based; a larger one means more noise.

`pdf` and `quantile` describe the continuous distribution in float64, for a number (a float comes back) or a tensor;
`sample` draws whole timesteps from the generator it is given and from nothing else.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Generator, Tensor

from ..errors import OptionError

Sampler = TypeVar("Sampler")


def _elementwise(formula: Callable[[Sampler, Tensor], Tensor]) -> Callable[[Sampler, Any], Any]:
    """Let a formula on float64 tensors take a number or a tensor, and answer in kind."""

    @wraps(formula)
    def answer(self: Sampler, x: Any) -> Any:
        result = formula(self, torch.as_tensor(x, dtype=torch.float64))
        return result if result.ndim or isinstance(x, Tensor) else result.item()

    return answer


@dataclass(frozen=True)
class Uniform:
    """Every timestep from low up to, but not including, high is equally likely.

    Raises OptionError unless both are whole numbers with 0 <= low < high.
    """

    low: int = 0
    high: int = 1000

    def __post_init__(self) -> None:
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        if not whole or not 0 <= self.low < self.high:
            given = f"timesteps from {self.low} to {self.high}"
            raise OptionError(f"{given} are no range; use whole numbers with 0 <= low < high")

    @_elementwise
    def pdf(self, t: Tensor) -> Tensor:
        """Density at t, per timestep; 0 outside low..high."""
        return ((t >= self.low) & (t <= self.high)) / torch.full_like(t, self.high - self.low)

    @_elementwise
    def quantile(self, u: Tensor) -> Tensor:
        """The t below which a share u of the draws lies. Raises OptionError for u outside 0..1."""
        _check_share(u)
        return self.low + u * (self.high - self.low)

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n timesteps, (n,) int64 on the CPU. generator: a CPU one. Raises OptionError for n below 1."""
        _check_count(n)
        return torch.randint(self.low, self.high, (n,), generator=generator)


@dataclass(frozen=True)
class CoarseNoise:
    """High noise, where motion is decided, more often: p(t) = (1 - alpha cos(pi t / steps)) / steps.

    Materzynska et al. 2023 (Customizing Motion in Text-to-Video Diffusion Models) take alpha 0.5; 0 is uniform.
    Raises OptionError for an alpha outside 0..1 or steps that are no whole number of 2 or more.
    """

    alpha: float = 0.5
    steps: int = 1000

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise OptionError(f"alpha is {self.alpha}; use 0 (uniform) to 1 (most coarse noise)")
        if not isinstance(self.steps, int) or self.steps < 2:
            raise OptionError(f"steps is {self.steps}; use a whole number of 2 or more")

    @_elementwise
    def pdf(self, t: Tensor) -> Tensor:
        """Density at t, per timestep; 0 outside 0..steps."""
        return ((t >= 0) & (t <= self.steps)) * self._shape(t) / self.steps

    @_elementwise
    def quantile(self, u: Tensor) -> Tensor:
        """The t below which a share u of the draws lies. Raises OptionError for u outside 0..1."""
        _check_share(u)
        # bisection: the cumulative share has no closed inverse, and with alpha 1 its slope at 0 is 0
        low, high = torch.zeros_like(u), torch.full_like(u, self.steps)
        for _ in range(64):
            middle = (low + high) / 2
            below = self._cumulative(middle) < u
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return high

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n timesteps in 0..steps-1, each as likely as p(t) says; (n,) int64 on the CPU.

        generator: a CPU one. Raises OptionError for n below 1.
        """
        _check_count(n)
        weights = self._shape(torch.arange(self.steps, dtype=torch.float64))
        return torch.multinomial(weights, n, replacement=True, generator=generator)

    def _shape(self, t: Tensor) -> Tensor:
        return 1 - self.alpha * torch.cos(math.pi * t / self.steps)

    def _cumulative(self, t: Tensor) -> Tensor:
        share = t / self.steps
        return share - self.alpha / math.pi * torch.sin(math.pi * share)


TimestepSampler = Uniform | CoarseNoise


def parse_timesteps(text: str) -> TimestepSampler:
    """`all`; `LOW-HIGH`, both counted in; or `coarse:ALPHA`. Raises OptionError."""
    span = re.fullmatch(r"(\d{1,6})-(\d{1,6})", text)
    if text == "all":
        return Uniform()
    if span:
        return Uniform(int(span[1]), int(span[2]) + 1)
    if re.fullmatch(r"coarse:\d*\.?\d+", text):
        return CoarseNoise(float(text.removeprefix("coarse:")))
    raise OptionError(f"timesteps is {text!r}; use all, a range such as 500-999, or coarse:0.5 (high noise more often)")


def _check_share(u: Tensor) -> None:
    if not bool(((u >= 0) & (u <= 1)).all()):
        raise OptionError(f"a share of {u.tolist()} has no timestep; use 0 to 1")


def _check_count(n: int) -> None:
    if n < 1:
        raise OptionError(f"{n} timesteps can't be drawn; ask for 1 or more")
