"""What a training step takes at the models' true size, counted and not measured: floating-point operations and the
peak of tensors of each memory mode, on shapes alone. It needs neither weights nor a GPU.

`python -m benchmarks.counting` takes ZeroScope and AnimateDiff at 512x320 and 16 frames, in bfloat16. With
`--model wan-1.3B` or `wan-14B`, `--frames 9 --size 60 34` are 33 frames of 480x272, `--frames 21 --size 104 60` are 81
frames of 832x480. Attention counts as its fused kernels do it; memory that kernels use internally is not counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from motion_core.memory.free_memory import format_bytes
from motion_core.memory.tensor_memory import TensorMemory
from motion_core.models.families import find_sites
from motion_core.models.sites import select_sites
from motion_core.training.parts import limit_grids, measure_grids

from .cases import WANS, Case, build_animatediff, build_wan, build_zeroscope
from .variants import OFFICIAL, TrainedModel, Variant, count_bytes

SHAPES = torch.device("meta")
VARIANTS = (
    Variant(OFFICIAL, "low", official=True),
    Variant("`fast`", "fast"),
    Variant("`balanced`", "balanced"),
    Variant("`low`", "low"),
)


@dataclass(frozen=True)
class StepCost:
    """Of one step. flops: operations; memory: bytes of tensors at the most, with weights and optimizer."""

    flops: int
    memory: int


class StepCounter:
    """A model of shapes, and the clip's latents."""

    def __init__(self, case: Case, which: str, grid: int | None = None):
        self.case, self.module = case, case.module
        sites = select_sites(find_sites(self.module), which)
        self.t = torch.zeros(1, dtype=torch.long, device=SHAPES)
        with torch.no_grad():
            self.text = case.encoder(case.words)
            self.conditions = [case.as_condition(each) for each in self.text]
            grids = limit_grids(measure_grids(case.denoiser, sites, _as_example(case, self.conditions)), grid)
        self.model = TrainedModel(self.module, sites, grids, case.latents.shape[2], SHAPES)

    def count(self, variant: Variant) -> StepCost:
        """Counts one step."""
        with self.model.training(variant) as embedding:
            with TensorMemory() as alive:
                self._step(variant)
            with FlopCounterMode(display=False) as flops:  # apart, since it keeps tensors alive
                self._step(variant)
        trained = sum(parameter.nbytes for parameter in embedding.parameters)
        weights = count_bytes(self.module) + (count_bytes(self.case.encoder) if variant.official else 0)
        return StepCost(flops.get_total_flops(), weights + 3 * trained + alive.peak)

    def predict_memory(self, mode: str) -> int:
        return self.model.predict_memory(mode, self._predict)

    def _predict(self) -> Tensor:
        return self.case.denoiser.predict(self.case.latents, self.t, self.conditions)

    def _step(self, variant: Variant) -> None:
        if variant.official:
            with torch.no_grad():
                self.case.encoder(self.case.words)
        self._predict().float().square().mean().backward()


def _as_example(case: Case, conditions: Sequence[Any]) -> Any:
    """An example without its check of the numbers, which shapes do not have."""
    return SimpleNamespace(latents=case.latents, condition=conditions[0])


@contextmanager
def shapes_alone() -> Iterator[None]:
    """Within the block tensors have no numbers, and attention counts as its fused kernel."""

    def fused(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
        return torch.ops.aten._scaled_dot_product_flash_attention(query, key, value)[0]

    with SHAPES, patch.object(functional, "scaled_dot_product_attention", fused):
        yield


def describe(case: Case, which: str, grid: int | None = None) -> str:
    """Counts the table of one case. grid: see `Recipe.grid`."""
    counter = StepCounter(case, which, grid)
    variants = [variant for variant in VARIANTS if case.official or not variant.official]
    costs = {variant.name: counter.count(variant) for variant in variants}
    first = costs[variants[0].name]
    n, h, w = case.latents.shape[2:]
    parameters = sum(p.numel() for p in case.module.parameters()) / 1e6
    lines = [
        f"{case.name}, {parameters:.0f} million parameters, bfloat16, {n} frames of {w}x{h} latents, sites `{which}`, "
        f"{counter.model.count_values() / 1e6:.1f} million trained values",
        "",
        f"| step | TFLOP | times less | peak of tensors | of `{variants[0].name.strip('`')}` | predicted |",
        f"|{' --- |' * 6}",
    ]
    for variant in variants:
        own = costs[variant.name]
        predicted = "" if variant.official else format_bytes(counter.predict_memory(variant.mode))
        less, share = f"{first.flops / own.flops:.2f}", f"{own.memory / first.memory:.2f}"
        cells = (variant.name, f"{own.flops / 1e12:.1f}", less, format_bytes(own.memory), share, predicted)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, f"| `lowest` | | | | | {format_bytes(counter.predict_memory('lowest'))} |"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    models = ("zeroscope", "animatediff", "both", *(f"wan-{size}" for size in WANS))
    parser.add_argument("--model", choices=models, default="both")
    parser.add_argument("--grid", type=int, help="places of the value embedding along its longer side (the model's)")
    parser.add_argument("--sites", default="deepest", help="deepest (the default) or all")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, nargs=2, metavar=("W", "H"), default=(64, 40), help="latent pixels (64 40)")
    parser.add_argument("--divisor", type=int, default=1, help="what ZeroScope's channels are divided by")
    given = parser.parse_args(arguments)
    size = {"frames": given.frames, "height": given.size[1], "width": given.size[0]}
    with shapes_alone():
        if given.model.startswith("wan"):
            case = build_wan(given.model.removeprefix("wan-"), SHAPES, torch.bfloat16, **size)
            print(describe(case, given.sites, given.grid), flush=True)
            return
        if given.model != "animatediff":
            case = build_zeroscope(SHAPES, torch.bfloat16, divisor=given.divisor, **size)
            print(describe(case, given.sites), end="\n\n", flush=True)
        if given.model != "zeroscope":
            case = build_animatediff(SHAPES, torch.bfloat16, **size)
            print(describe(case, given.sites), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
