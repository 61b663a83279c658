"""What a step of learning costs: ours in each memory mode and from a pool, against the official code's, in turn in one
run. Random weights; one line of a Markdown table for each way.

`python -m benchmarks.learning` takes ZeroScope's UNet at reduced width on the CPU: processor time, so that what else
the machine does matters little. `--device cuda` takes ZeroScope at its true size, and then AnimateDiff; it needs
nothing but torch and diffusers beside this repository.

The official step is emulated (`benchmarks.ways`). Its gradient is compared with dropout off.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from statistics import median, quantiles
from typing import Any

import torch
from motion_core.training.prefix import Prefix, State
from motion_core.training.replaying import record
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from motion_core.diffusion.denoiser import Denoiser
from motion_core.diffusion.schedule import NoiseSchedule
from motion_core.memory.freezing import frozen
from motion_core.memory.modes import LEARNING_MODES, rests_elsewhere, say
from motion_core.memory.tensor_memory import Allocations
from motion_core.models.animatediff.denoiser import MotionUNetDenoiser
from motion_core.models.family import find_sites
from motion_core.models.sites import select_sites
from motion_core.models.zeroscope.denoiser import UNetDenoiser
from motion_core.motions.embedding import MotionEmbedding
from motion_core.training.loop import Descent
from motion_core.training.train import measure_grids

from .ways import OFFICIAL, Learner, Way, weigh

DRAWS = 4
"""Kept in the pool that is measured, and seen in turn by every way."""
VISITS = 4
"""How often a draw of a pool that memory does not limit is seen: one computes, the others take what is kept."""
EXTRAS = {"last": "channels last", "compile": "torch.compile", "graphs": "CUDA graphs"}
"""What may make a step faster, depending on the machine."""
PEAK_TFLOPS = {"H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362, "RTX 4090": 165, "RTX 3090": 71}
"""Dense, of 16-bit tensor cores that add up in 32 bits, by the vendor's data sheets."""


@dataclass(frozen=True)
class Case:
    """A model with the text encoder that the official code runs in each step, and the clip's latents."""

    name: str
    denoiser: Denoiser
    encoder: nn.Module
    latents: Tensor
    words: Tensor

    @property
    def module(self) -> nn.Module:
        return self.denoiser.module


def build_zeroscope(
    device: torch.device, dtype: torch.dtype, divisor: int, frames: int, height: int, width: int
) -> Case:
    """ZeroScope's UNet with its channels divided; height, width: of the latents."""
    from diffusers import UNet3DConditionModel

    channels, words = tuple(number // divisor for number in (320, 640, 1280, 1280)), 64 * max(1, 16 // divisor)
    unet = UNet3DConditionModel(
        block_out_channels=channels, cross_attention_dim=words, attention_head_dim=64 // min(divisor, 2)
    )
    denoiser = UNetDenoiser(unet.to(device, dtype).eval(), NoiseSchedule.scaled_linear())
    return _case("ZeroScope", denoiser, words, 23, frames, height, width)


def build_animatediff(device: torch.device, dtype: torch.dtype, frames: int, height: int, width: int) -> Case:
    """SD 1.5 with motion modules; what it differs in from the class's own numbers is given."""
    from diffusers import UNetMotionModel

    unet = UNetMotionModel(sample_size=64, cross_attention_dim=768, use_motion_mid_block=False)
    denoiser = MotionUNetDenoiser(unet.to(device, dtype).eval(), NoiseSchedule.scaled_linear())
    return _case("AnimateDiff", denoiser, 768, 12, frames, height, width)


def _case(name: str, denoiser: Any, size: int, depth: int, frames: int, height: int, width: int) -> Case:
    for parameter in denoiser.module.parameters():
        if parameter.ndim > 1 and not parameter.is_meta and not parameter.any():
            nn.init.normal_(parameter, std=0.02)  # what training starts from with zeros would hide what is behind it
    like = next(denoiser.module.parameters())
    layer = nn.TransformerEncoderLayer(size, size // 64 or 1, 4 * size, batch_first=True, activation="gelu")
    encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False).to(like).eval()
    latents = torch.randn(1, 4, frames, height, width, device=like.device)
    return Case(name, denoiser, encoder, latents, torch.randn(1, 77, size, device=like.device).to(like.dtype))


@dataclass(eq=False)
class Row:
    """What was measured of a way."""

    way: Way
    seconds: list[float] = field(default_factory=list)
    memory: int = 0
    gradient: Tensor | None = None


def list_ways(modes: Sequence[str], extras: Sequence[str] = ()) -> list[Way]:
    """The official step, ours in each mode, and in the first and last with all that makes it faster; in the first with
    each of the extras, which are fields of a way.
    """
    ways = [Way(OFFICIAL, "low", official=True), *(Way(f"`{mode}`", mode) for mode in modes)]
    for mode in modes:
        if mode in ("fast", "low"):
            ways.append(Way(f"`{mode}`, fast_kernels", mode, flat=True))
            ways.append(Way(f"`{mode}`, fast_kernels, from a pool", mode, flat=True, pool=DRAWS))
    for extra in extras:
        ways.append(replace(Way(f"`{modes[0]}`, fast_kernels, {EXTRAS[extra]}", modes[0], flat=True), **{extra: True}))
    return ways


class Bench:
    """Takes steps on a case in any way, always over the same draws."""

    def __init__(self, case: Case, which: str):
        self.case, self.device = case, case.latents.device
        sites = select_sites(find_sites(case.module), which)
        with torch.no_grad():
            self.text = case.encoder(case.words)
            grids = measure_grids(case.denoiser, sites, case.latents, self.text)
        self.learner = Learner(case.module, sites, grids, case.latents.shape[2], self.device)
        generator = torch.Generator().manual_seed(0)
        noises = [torch.randn(case.latents.shape, generator=generator).to(self.device) for _ in range(DRAWS)]
        times = [torch.tensor([int((number + 0.5) * 1000 / DRAWS)], device=self.device) for number in range(DRAWS)]
        self.draws = list(zip(noises, times, strict=True))
        with frozen(case.module):
            self.prefix = Prefix.find(case.module, sites, lambda: self._predict(0, self.text))

    def _predict(self, number: int, text: Tensor, denoiser: Denoiser | None = None) -> Tensor:
        eps, t = self.draws[number]
        noisy = self.case.denoiser.schedule.add_noise(self.case.latents, eps, t)
        return (denoiser or self.case.denoiser).predict(noisy, t, text)

    def _record(self, embedding: MotionEmbedding) -> Denoiser:
        _, t = self.draws[0]
        recorded = record(self.case.denoiser, self.case.latents, t, self.text, embedding.parameters)
        if recorded is self.case.denoiser:
            raise RuntimeError("nothing was recorded")
        return recorded

    @contextmanager
    def stepping(self, way: Way, dropout: bool = True) -> Iterator[tuple[Callable[[int], None], MotionEmbedding]]:
        """Within the block: a function that takes the step of a draw, up to the gradient, and what gets it."""
        with ExitStack() as stack:
            embedding = stack.enter_context(self.learner.learning(way))
            self.case.module.train(way.official and dropout)
            denoiser = self._record(embedding) if way.graphs else self.case.denoiser
            states: list[State] = [{} for _ in self.draws]
            if way.pool:
                stack.enter_context(self.prefix.at_work())

            def step(number: int) -> None:
                if way.pool:
                    self.prefix.state = states[number]
                text = self.text
                if way.official:
                    with torch.no_grad():
                        text = self.case.encoder(self.case.words)
                loss = (self._predict(number, text, denoiser) - self.draws[number][0]).square().mean()
                loss.backward(inputs=embedding.parameters)

            yield step, embedding

    def begin(self, row: Row) -> bool:
        """Note what need not be timed; False, with the reason told, for an extra that does not work here."""
        try:
            self.compare(row)
            self.weigh(row)
        except RuntimeError as error:
            if not any(getattr(row.way, extra) for extra in EXTRAS):
                raise
            print(f"{row.way.name} does not work here: {error}", file=sys.stderr)
            return False
        return True

    def compare(self, row: Row) -> None:
        """Note the gradient of one step at an embedding of zeros, all tensors in a row, cut to the clip's length."""
        with self.stepping(row.way, dropout=False) as (step, embedding):
            for _ in range(2 if row.way.pool else 1):  # the second time from what the first kept
                for parameter in embedding.parameters:
                    parameter.grad = None
                step(1)
            frames = self.case.latents.shape[2]
            row.gradient = torch.cat([p.grad[:, :frames].flatten().float().cpu() for p in embedding.parameters])

    def time(self, row: Row, steps: int) -> None:
        """Take so many steps of the optimiser, after some that are not timed: one, or for a pool those that fill it."""
        unseen = DRAWS if row.way.pool else 1
        gc.collect()  # what was recorded refers to itself
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with self.stepping(row.way) as (step, embedding):
            optimiser = Descent().optimiser(embedding.parameters)
            for number in range(unseen + steps):
                if self.device.type == "cuda" and not row.way.graphs:  # which take their memory as they are recorded
                    torch.cuda.reset_peak_memory_stats()
                start = now(self.device)
                optimiser.zero_grad(set_to_none=True)
                step(number % DRAWS)
                optimiser.step()
                if number >= unseen:
                    row.seconds.append(now(self.device) - start)
            if self.device.type == "cuda":
                row.memory = torch.cuda.max_memory_allocated() - (0 if row.way.official else weigh(self.case.encoder))

    def weigh(self, row: Row) -> None:
        """Count the tensors of a step; a GPU's allocator has done so while it was timed."""
        if self.device.type == "cuda":
            return
        weights = weigh(self.case.module) + (weigh(self.case.encoder) if row.way.official else 0)
        with self.stepping(row.way) as (step, embedding):
            moments = 2 * sum(parameter.nbytes for parameter in embedding.parameters)
            with Allocations() as alive:
                step(0)
            row.memory = weights + 3 * moments // 2 + alive.peak

    def count_flops(self) -> int:
        """Of a step that computes nothing twice."""
        with self.stepping(Way("", "fast")) as (step, _), FlopCounterMode(display=False) as counter:
            step(0)
        return counter.get_total_flops()

    def foresee(self, mode: str) -> int:
        return self.learner.foresee(mode, lambda: self._predict(0, self.text))


def measure(
    case: Case, which: str, modes: Sequence[str], extras: Sequence[str], rounds: int, steps: int, peak: float | None
) -> str:
    """The table of one case: every way in turn, forwards and backwards, round by round."""
    bench = Bench(case, which)
    rows = [row for row in map(Row, list_ways(modes, extras)) if bench.begin(row)]
    for number in range(rounds):
        for row in rows[:: -1 if number % 2 else 1]:
            bench.time(row, steps)
    flops = bench.count_flops()
    n, h, w = case.latents.shape[2:]
    head = [
        f"{case.name}, {sum(p.numel() for p in case.module.parameters()) / 1e6:.0f} million parameters, "
        f"{str(next(case.module.parameters()).dtype).removeprefix('torch.')}, {n} frames of {w}x{h} latents, sites "
        f"`{which}`; {flops / 1e12:.3f} TFLOP a step at least; one kept state {say(bench.prefix.size)}",
        "",
        "| step | seconds | times faster | peak memory | predicted | gradient differs by | utilisation |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join(head + [_describe(row, rows, bench, flops, peak) for row in rows])


def _describe(row: Row, rows: Sequence[Row], bench: Bench, flops: int, peak: float | None) -> str:
    way, official, seconds = row.way, rows[0], median(row.seconds)
    low, middle, high = quantiles([a / b for a, b in zip(official.seconds, row.seconds, strict=True)], n=4)
    faster = f"{middle:.2f} ({low:.2f} to {high:.2f})"
    if way.pool:
        full = next(other for other in rows if other.way == replace(way, name=other.way.name, pool=0))
        mean = (median(full.seconds) + (VISITS - 1) * seconds) / VISITS
        faster += f"; filling counted in, {median(official.seconds) / mean:.2f}"
    foreseen = "" if way.official or way.pool else say(bench.foresee(way.mode))
    assert row.gradient is not None and official.gradient is not None
    off = float((row.gradient - official.gradient).norm() / official.gradient.norm())
    used = f"{flops / seconds / (peak * 1e12):.0%}" if peak and not way.pool else ""
    cells = (way.name, f"{seconds:.3f}", "1" if way.official else faster, say(row.memory), foreseen)
    return f"| {' | '.join(cells)} | {'' if way.official else f'{off:.1e}'} | {used} |"


def now(device: torch.device) -> float:
    """Seconds: of the processor, or on a GPU of the clock once it is done."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def say_machine(device: torch.device) -> str:
    """Hardware, versions and date, for under the table."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{torch.get_num_threads()} threads of {_name_processor()}, processor time"
    return f"{name}, torch {torch.__version__}, {datetime.date.today().isoformat()}"


def _name_processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def find_peak(device: torch.device) -> float | None:
    """TFLOP/s of a known GPU."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((number for known, number in PEAK_TFLOPS.items() if all(w in name for w in known.split())), None)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--model", choices=("zeroscope", "animatediff", "both"), help="(cpu: zeroscope, cuda: both)")
    parser.add_argument("--sites", default="deepest", help="deepest or all")
    parser.add_argument("--modes", nargs="+", choices=LEARNING_MODES[1:], help="memory modes (all that matter)")
    parser.add_argument("--divisor", type=int, help="what ZeroScope's channels are divided by (cpu: 5, cuda: 1)")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, nargs=2, metavar=("W", "H"), help="latent pixels (cpu: 32 20, cuda: 64 40)")
    parser.add_argument("--rounds", type=int, help="turns of all ways (cpu: 4, cuda: 8)")
    parser.add_argument("--steps", type=int, help="steps timed in a turn (cpu: 2, cuda: 8)")
    parser.add_argument("--extras", nargs="*", choices=EXTRAS, help="rows with these too (cpu: none, cuda: all)")
    parser.add_argument("--peak-tflops", type=float, help="of the GPU, where it is not known")
    given = parser.parse_args(arguments)
    device = torch.device(given.device)
    cuda = device.type == "cuda"
    torch.manual_seed(0)
    dtype = torch.bfloat16 if cuda else torch.float32
    width, height = given.size or ((64, 40) if cuda else (32, 20))
    rounds, steps = given.rounds or (8 if cuda else 4), given.steps or (8 if cuda else 2)
    peak = given.peak_tflops or find_peak(device)
    extras = given.extras if given.extras is not None else (list(EXTRAS) if cuda else [])
    modes = given.modes or ["fast", "balanced", "low", *(["lowest"] if rests_elsewhere(device) else [])]
    model = given.model or ("both" if cuda else "zeroscope")
    if model != "animatediff":
        divisor = given.divisor or (1 if cuda else 5)
        case = build_zeroscope(device, dtype, divisor, given.frames, height, width)
        print(measure(case, given.sites, modes, extras, rounds, steps, peak), end="\n\n", flush=True)
        del case
    if model != "zeroscope":
        case = build_animatediff(device, dtype, given.frames, height, width)
        print(measure(case, given.sites, modes, extras, rounds, steps, peak), end="\n\n", flush=True)
    print(f"{say_machine(device)}; medians of {rounds * steps} steps, quartiles of the ratio in brackets")


if __name__ == "__main__":
    main()
