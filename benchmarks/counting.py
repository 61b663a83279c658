"""What a step of learning takes at the models' true size, counted and not measured: floating-point operations and the
peak of tensors of each way of `benchmarks.learning`, on shapes alone. Needs neither weights nor a GPU.

`python -m benchmarks.counting` takes ZeroScope and AnimateDiff at 512x320 and 16 frames, in bfloat16. Attention counts
as its fused kernels do it; what kernels need for themselves is in no number.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from motion_core.training.prefix import Prefix, State
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from motion_core.memory.freezing import frozen
from motion_core.memory.modes import say
from motion_core.memory.tensor_memory import Allocations
from motion_core.models.family import find_sites
from motion_core.models.sites import select_sites
from motion_core.training.train import measure_grids

from .learning import Case, build_animatediff, build_zeroscope
from .ways import OFFICIAL, Learner, Way, weigh

SHAPES = torch.device("meta")
WAYS = (
    Way(OFFICIAL, "low", official=True),
    Way("`fast`", "fast"),
    Way("`balanced`", "balanced"),
    Way("`low`", "low"),
    Way("`fast`, from a pool", "fast", pool=1),
    Way("`low`, from a pool", "low", pool=1),
)


@dataclass(frozen=True)
class Taken:
    """By one step. flops: operations; memory: bytes of tensors at the most, weights and optimiser among them."""

    flops: int
    memory: int


class Counter:
    """A model of shapes, and the clip's latents."""

    def __init__(self, case: Case, which: str):
        self.case, self.module = case, case.module
        sites = select_sites(find_sites(self.module), which)
        self.t = torch.zeros(1, dtype=torch.long, device=SHAPES)
        with torch.no_grad():
            self.text = case.encoder(case.words)
            grids = measure_grids(case.denoiser, sites, case.latents, self.text)
            with frozen(self.module):
                self.prefix, _ = Prefix.trace(self.module, sites, self._predict)
        self.learner = Learner(self.module, sites, grids, case.latents.shape[2], SHAPES)

    def _predict(self) -> Tensor:
        return self.case.denoiser.predict(self.case.latents, self.t, self.text)

    def count(self, way: Way) -> Taken:
        """Of one step; from a pool, of one whose state is kept already."""
        with ExitStack() as stack:
            embedding = stack.enter_context(self.learner.learning(way))
            if way.pool:
                stack.enter_context(self.prefix.at_work())
                self._fill()
            with Allocations() as alive:
                self._step(way)
            with FlopCounterMode(display=False) as flops:  # apart, as it holds on to tensors
                self._step(way)
        trained = sum(parameter.nbytes for parameter in embedding.parameters)
        weights = weigh(self.module) + (weigh(self.case.encoder) if way.official else 0)
        return Taken(flops.get_total_flops(), weights + 3 * trained + alive.peak)

    def _step(self, way: Way) -> None:
        if way.official:
            with torch.no_grad():
                self.case.encoder(self.case.words)
        self._predict().float().square().mean().backward()

    @torch.no_grad()
    def _fill(self) -> None:
        self.prefix.state = State()
        self._predict()

    def foresee(self, mode: str) -> int:
        return self.learner.foresee(mode, self._predict)


@contextmanager
def shapes_alone() -> Iterator[None]:
    """Within the block tensors are made without numbers, and attention is taken for its fused kernel."""

    def fused(q: Tensor, k: Tensor, v: Tensor, *_: Any, **__: Any) -> Tensor:
        return torch.ops.aten._scaled_dot_product_flash_attention(q, k, v)[0]

    with SHAPES, patch.object(functional, "scaled_dot_product_attention", fused):
        yield


def describe(case: Case, which: str) -> str:
    """The table of one case."""
    counter = Counter(case, which)
    taken = {way.name: counter.count(way) for way in WAYS}
    official = taken[OFFICIAL]
    n, h, w = case.latents.shape[2:]
    lines = [
        f"{case.name}, {sum(p.numel() for p in case.module.parameters()) / 1e6:.0f} million parameters, bfloat16, {n} "
        f"frames of {w}x{h} latents, sites `{which}`; one kept state {say(counter.prefix.size)}",
        "",
        "| step | TFLOP | times less | peak of tensors | of the official | foreseen |",
        f"|{' --- |' * 6}",
    ]
    for way in WAYS:
        own = taken[way.name]
        foreseen = "" if way.official or way.pool else say(counter.foresee(way.mode))
        less, share = f"{official.flops / own.flops:.2f}", f"{own.memory / official.memory:.2f}"
        cells = (way.name, f"{own.flops / 1e12:.1f}", less, say(own.memory), share, foreseen)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, f"| `lowest` | | | | | {say(counter.foresee('lowest'))} |"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", choices=("zeroscope", "animatediff", "both"), default="both")
    parser.add_argument("--sites", default="deepest", help="deepest (the default) or all")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, nargs=2, metavar=("W", "H"), default=(64, 40), help="latent pixels (64 40)")
    parser.add_argument("--divisor", type=int, default=1, help="what ZeroScope's channels are divided by")
    given = parser.parse_args(arguments)
    width, height = given.size
    with shapes_alone():
        if given.model != "animatediff":
            case = build_zeroscope(SHAPES, torch.bfloat16, given.divisor, given.frames, height, width)
            print(describe(case, given.sites), end="\n\n", flush=True)
        if given.model != "zeroscope":
            case = build_animatediff(SHAPES, torch.bfloat16, given.frames, height, width)
            print(describe(case, given.sites), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
