"""What a training step costs: ours in each memory mode against the official code's, in turn in one run. Random weights;
one line of a Markdown table for each variant.

`python -m benchmarks.learning` takes ZeroScope's UNet at reduced width on the CPU: processor time, so that the load of
the machine matters little. `--device cuda` takes ZeroScope at its true size, and then AnimateDiff; it needs nothing but
torch and diffusers beside this repository.

`--model wan-1.3B` takes Wan at its true size on either. With `--frames 2 --size 30 16 --modes balanced --rounds 1`
these are two steps that a CPU with 16 GB takes in minutes. There is no official step for it: the first row stands in
its place.

The official step is emulated (`benchmarks.variants`). Its gradient is compared with dropout off.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from statistics import median, quantiles

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from motion_core.memory.fp8 import saves_memory
from motion_core.memory.free_memory import format_bytes
from motion_core.memory.modes import MEMORY_MODES
from motion_core.memory.tensor_memory import TensorMemory
from motion_core.models.families import find_sites
from motion_core.models.sites import select_sites
from motion_core.motions.embedding import MotionEmbedding
from motion_core.recipes.optimizer_settings import OptimizerSettings
from motion_core.training.examples import Example
from motion_core.training.parts import measure_grids

from .cases import WANS, Case, build_animatediff, build_wan, build_zeroscope
from .machine import describe_machine, find_peak, now
from .variants import OFFICIAL, TrainedModel, Variant, count_bytes

SAMPLES = 4
"""Noise samples that every variant takes in turn."""
EXTRAS = {"channels_last": "channels last"}
"""What may make a step faster, depending on the machine."""


@dataclass(eq=False)
class Row:
    """What was measured of a variant."""

    variant: Variant
    seconds: list[float] = field(default_factory=list)
    memory: int = 0
    gradient: Tensor | None = None


def list_variants(modes: Sequence[str], extras: Sequence[str] = ()) -> list[Variant]:
    """Lists the official step, ours in each mode, in the first and last with faster kernels, and in the first with each
    of the extras, which are fields of a variant.
    """
    variants = [Variant(OFFICIAL, "low", official=True), *(Variant(f"`{mode}`", mode) for mode in modes)]
    for mode in modes:
        if mode in ("fast", "low"):
            variants.append(Variant(f"`{mode}`, fast_kernels", mode, fast_kernels=True))
    for extra in extras:
        name = f"`{modes[0]}`, fast_kernels, {EXTRAS[extra]}"
        variants.append(replace(Variant(name, modes[0], fast_kernels=True), **{extra: True}))
    return variants


class StepMeter:
    """Takes steps on a case in any variant, always over the same noise samples."""

    def __init__(self, case: Case, which: str):
        self.case, self.device = case, case.latents.device
        sites = select_sites(find_sites(case.module), which)
        with torch.no_grad():
            self.text = case.encoder(case.words)
            grids = measure_grids(case.denoiser, sites, Example(case.latents, case.as_condition(self.text[0])))
        self.model = TrainedModel(case.module, sites, grids, case.latents.shape[2], self.device)
        self.schedule = case.denoiser.schedule
        generator = torch.Generator().manual_seed(0)
        noises = [torch.randn(case.latents.shape, generator=generator).to(self.device) for _ in range(SAMPLES)]
        steps = [torch.tensor([int((number + 0.5) * 1000 / SAMPLES)]) for number in range(SAMPLES)]
        times = [self.schedule.level_at(step).to(self.device) for step in steps]
        self.samples = list(zip(noises, times, strict=True))

    def _predict(self, number: int, text: Tensor) -> Tensor:
        eps, t = self.samples[number]
        noisy = self.schedule.add_noise(self.case.latents, eps, t)
        return self.case.denoiser.predict(noisy, t, [self.case.as_condition(each) for each in text])

    @contextmanager
    def stepping(
        self, variant: Variant, *, dropout: bool = True
    ) -> Iterator[tuple[Callable[[int], None], MotionEmbedding]]:
        """Yields a function that takes the step of a noise sample, up to the gradient, and the embedding."""
        with ExitStack() as stack:
            embedding = stack.enter_context(self.model.training(variant))
            self.case.module.train(variant.official and dropout)

            def step(number: int) -> None:
                text = self.text
                if variant.official:
                    with torch.no_grad():
                        text = self.case.encoder(self.case.words)
                target = self.schedule.target(self.case.latents, self.samples[number][0])
                loss = (self._predict(number, text) - target).square().mean()
                loss.backward(inputs=embedding.parameters)

            yield step, embedding

    def measure_gradient(self, row: Row) -> None:
        """Measures the gradient of a step at an embedding of zeros, cut to the clip's length."""
        with self.stepping(row.variant, dropout=False) as (step, embedding):
            step(1)
            frames = self.case.latents.shape[2]
            row.gradient = torch.cat([p.grad[:, :frames].flatten().float().cpu() for p in embedding.parameters])

    def measure_time(self, row: Row, steps: int) -> None:
        """Times so many steps of the optimizer, after one that is not timed."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with self.stepping(row.variant) as (step, embedding):
            optimizer = OptimizerSettings().make_optimizer(embedding.parameters)
            for number in range(1 + steps):
                start = now(self.device)
                optimizer.zero_grad(set_to_none=True)
                step(number % SAMPLES)
                optimizer.step()
                if number:
                    row.seconds.append(now(self.device) - start)
            if self.device.type == "cuda":
                unused = 0 if row.variant.official else count_bytes(self.case.encoder)
                row.memory = torch.cuda.max_memory_allocated() - unused

    def measure_memory(self, row: Row) -> None:
        """Counts the tensors of a step. On a GPU the allocator does so while steps are timed."""
        if self.device.type == "cuda":
            return
        weights = count_bytes(self.case.module) + (count_bytes(self.case.encoder) if row.variant.official else 0)
        with self.stepping(row.variant) as (step, embedding):
            moments = 2 * sum(parameter.nbytes for parameter in embedding.parameters)
            with TensorMemory() as alive:
                step(0)
            row.memory = weights + 3 * moments // 2 + alive.peak

    def count_flops(self) -> int:
        """Counts the operations of a step that computes nothing twice."""
        with self.stepping(Variant("", "fast")) as (step, _), FlopCounterMode(display=False) as counter:
            step(0)
        return counter.get_total_flops()

    def predict_memory(self, mode: str) -> int:
        return self.model.predict_memory(mode, lambda: self._predict(0, self.text))


@dataclass(frozen=True)
class Plan:
    """What is measured. which: sites; rounds: how often every variant has its turn; steps: in each turn."""

    which: str
    modes: Sequence[str]
    extras: Sequence[str]
    rounds: int
    steps: int


def measure(case: Case, plan: Plan, peak: float | None) -> str:
    """Measures the table of one case: every variant in turn, forwards and backwards, round by round."""
    meter = StepMeter(case, plan.which)
    variants = list_variants(plan.modes, plan.extras)
    rows = [Row(variant) for variant in variants if case.official or not variant.official]
    for row in rows:
        meter.measure_gradient(row)
        meter.measure_memory(row)
    for number in range(plan.rounds):
        for row in rows[:: -1 if number % 2 else 1]:
            meter.measure_time(row, plan.steps)
    flops = meter.count_flops()
    n, h, w = case.latents.shape[2:]
    head = [
        f"{case.name}, {sum(p.numel() for p in case.module.parameters()) / 1e6:.0f} million parameters, "
        f"{str(next(case.module.parameters()).dtype).removeprefix('torch.')}, {n} frames of {w}x{h} latents, sites "
        f"`{plan.which}`; {flops / 1e12:.3f} TFLOP a step at least",
        "",
        "| step | seconds | times faster | peak memory | predicted | gradient differs by | utilisation |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join(head + [_describe(row, rows[0], meter, flops, peak) for row in rows])


def _describe(row: Row, official: Row, meter: StepMeter, flops: int, peak: float | None) -> str:
    variant, seconds = row.variant, median(row.seconds)
    low, middle, high = quantiles([a / b for a, b in zip(official.seconds, row.seconds, strict=True)], n=4)
    faster = f"{middle:.2f} ({low:.2f} to {high:.2f})"
    predicted = "" if variant.official else format_bytes(meter.predict_memory(variant.mode))
    assert row.gradient is not None and official.gradient is not None
    off = float((row.gradient - official.gradient).norm() / official.gradient.norm())
    used = f"{flops / seconds / (peak * 1e12):.0%}" if peak else ""
    cells = (variant.name, f"{seconds:.3f}", "1" if variant.official else faster, format_bytes(row.memory), predicted)
    return f"| {' | '.join(cells)} | {'' if variant.official else f'{off:.1e}'} | {used} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    models = ("zeroscope", "animatediff", "both", *(f"wan-{size}" for size in WANS))
    parser.add_argument("--model", choices=models, help="(cpu: zeroscope, cuda: both)")
    parser.add_argument("--sites", default="deepest", help="deepest or all")
    parser.add_argument("--modes", nargs="+", choices=MEMORY_MODES[1:], help="memory modes (all that matter)")
    parser.add_argument("--divisor", type=int, help="what ZeroScope's channels are divided by (cpu: 5, cuda: 1)")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, nargs=2, metavar=("W", "H"), help="latent pixels (cpu: 32 20, cuda: 64 40)")
    parser.add_argument("--rounds", type=int, help="turns of all variants (cpu: 4, cuda: 8)")
    parser.add_argument("--steps", type=int, help="steps timed in a turn (cpu: 2, cuda: 8)")
    parser.add_argument("--extras", nargs="*", choices=EXTRAS, help="rows with these too (cpu: none, cuda: all)")
    parser.add_argument("--peak-tflops", type=float, help="of the GPU, where it is not known")
    given = parser.parse_args(arguments)
    device = torch.device(given.device)
    cuda = device.type == "cuda"
    torch.manual_seed(0)
    dtype = torch.bfloat16 if cuda else torch.float32
    width, height = given.size or ((64, 40) if cuda else (32, 20))
    peak = given.peak_tflops or find_peak(device)
    extras = given.extras if given.extras is not None else (list(EXTRAS) if cuda else [])
    rounds, steps = given.rounds or (8 if cuda else 4), given.steps or (8 if cuda else 2)
    modes = given.modes or ["fast", "balanced", "low", *(["lowest"] if saves_memory(device) else [])]
    plan = Plan(given.sites, modes, extras, rounds, steps)
    size = {"frames": given.frames, "height": height, "width": width}
    model = given.model or ("both" if cuda else "zeroscope")
    if model.startswith("wan"):
        case = build_wan(model.removeprefix("wan-"), device, dtype, **size)
        print(measure(case, plan, peak), end="\n\n", flush=True)
        del case
    if model in ("zeroscope", "both"):
        divisor = given.divisor or (1 if cuda else 5)
        case = build_zeroscope(device, dtype, divisor=divisor, **size)
        print(measure(case, plan, peak), end="\n\n", flush=True)
        del case
    if model in ("animatediff", "both"):
        case = build_animatediff(device, dtype, **size)
        print(measure(case, plan, peak), end="\n\n", flush=True)
    print(f"{describe_machine(device)}; medians of {rounds * steps} steps, quartiles of the ratio in brackets")


if __name__ == "__main__":
    main()
