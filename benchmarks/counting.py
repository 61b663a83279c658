"""What a training step takes at the models' true size, counted and not measured: floating-point operations and the
peak of tensors of each memory mode, on shapes alone. It needs neither weights nor a GPU.

`python -m benchmarks.counting` takes ZeroScope and AnimateDiff at 512x320 and 16 frames, in bfloat16. Attention counts
as its fused kernels do it; memory that kernels use internally is not counted.
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
from motion_core.training.parts import measure_grids

from .cases import Case, build_animatediff, build_zeroscope
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

    def __init__(self, case: Case, which: str):
        self.case, self.module = case, case.module
        sites = select_sites(find_sites(self.module), which)
        self.t = torch.zeros(1, dtype=torch.long, device=SHAPES)
        with torch.no_grad():
            self.text = case.encoder(case.words)
            grids = measure_grids(case.denoiser, sites, _as_example(case, self.text))
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
        return self.case.denoiser.predict(self.case.latents, self.t, list(self.text))

    def _step(self, variant: Variant) -> None:
        if variant.official:
            with torch.no_grad():
                self.case.encoder(self.case.words)
        self._predict().float().square().mean().backward()


def _as_example(case: Case, text: Tensor) -> Any:
    """An example without its check of the numbers, which shapes do not have."""
    return SimpleNamespace(latents=case.latents, condition=text[0])


@contextmanager
def shapes_alone() -> Iterator[None]:
    """Within the block tensors have no numbers, and attention counts as its fused kernel."""

    def fused(q: Tensor, k: Tensor, v: Tensor, *_: Any, **__: Any) -> Tensor:
        return torch.ops.aten._scaled_dot_product_flash_attention(q, k, v)[0]

    with SHAPES, patch.object(functional, "scaled_dot_product_attention", fused):
        yield


def describe(case: Case, which: str) -> str:
    """Counts the table of one case."""
    counter = StepCounter(case, which)
    costs = {variant.name: counter.count(variant) for variant in VARIANTS}
    official = costs[OFFICIAL]
    n, h, w = case.latents.shape[2:]
    lines = [
        f"{case.name}, {sum(p.numel() for p in case.module.parameters()) / 1e6:.0f} million parameters, bfloat16, {n} "
        f"frames of {w}x{h} latents, sites `{which}`",
        "",
        "| step | TFLOP | times less | peak of tensors | of the official | predicted |",
        f"|{' --- |' * 6}",
    ]
    for variant in VARIANTS:
        own = costs[variant.name]
        predicted = "" if variant.official else format_bytes(counter.predict_memory(variant.mode))
        less, share = f"{official.flops / own.flops:.2f}", f"{own.memory / official.memory:.2f}"
        cells = (variant.name, f"{own.flops / 1e12:.1f}", less, format_bytes(own.memory), share, predicted)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, f"| `lowest` | | | | | {format_bytes(counter.predict_memory('lowest'))} |"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", choices=("zeroscope", "animatediff", "both"), default="both")
    parser.add_argument("--sites", default="deepest", help="deepest (the default) or all")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, nargs=2, metavar=("W", "H"), default=(64, 40), help="latent pixels (64 40)")
    parser.add_argument("--divisor", type=int, default=1, help="what ZeroScope's channels are divided by")
    given = parser.parse_args(arguments)
    size = {"frames": given.frames, "height": given.size[1], "width": given.size[0]}
    with shapes_alone():
        if given.model != "animatediff":
            case = build_zeroscope(SHAPES, torch.bfloat16, divisor=given.divisor, **size)
            print(describe(case, given.sites), end="\n\n", flush=True)
        if given.model != "zeroscope":
            case = build_animatediff(SHAPES, torch.bfloat16, **size)
            print(describe(case, given.sites), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
