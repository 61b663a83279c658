"""What a step of learning costs: ours in each memory mode and from a pool, against the official code's, in turn in one
run. Random weights; one line of a Markdown table for each way.

`python -m benchmarks.learning` takes ZeroScope's UNet at reduced width on the CPU: processor time, so that what else
the machine does matters little. `--device cuda` takes ZeroScope at its true size, and then AnimateDiff; it needs
nothing but torch and diffusers beside this repository.

The official step is emulated by our own code: it recomputes every layer, keeps embeddings for 32 frames, computes the
features of the text in each step, and leaves dropout on. Its gradient is compared with dropout off.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from motion_core.allocations import Allocations
from motion_core.backbones import family_of, find_modules_by_level, find_sites, select_sites
from motion_core.backbones.animatediff.denoiser import MotionUNetDenoiser
from motion_core.backbones.zeroscope.denoiser import UNetDenoiser
from motion_core.denoiser import Denoiser
from motion_core.descent import Descent
from motion_core.embedding import MotionEmbedding
from motion_core.freezing import frozen
from motion_core.injection import inject
from motion_core.kernels import in_fast_kernels
from motion_core.learning import measure_grids
from motion_core.memory import LEARNING_MODES, count, in_mode, rests_elsewhere, say
from motion_core.prefix import Prefix, State
from motion_core.schedule import NoiseSchedule

TABLE_FRAMES = 32
"""The length of the official code's embeddings."""
DRAWS = 4
"""Kept in the pool that is measured, and seen in turn by every way."""
VISITS = 4
"""How often a draw of a pool that memory does not limit is seen: one computes, the others take what is kept."""
PEAK_TFLOPS = {"H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362, "RTX 4090": 165, "RTX 3090": 71}
"""Dense, of 16-bit tensor cores that add up in 32 bits, by the vendor's data sheets."""
OFFICIAL = "official step"


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


class Tables(MotionEmbedding):
    """Embeddings that are longer than the clip, of which the first frames are used."""

    def fitted(self, kind: str, name: str, frames: int, grid: Any = None) -> Tensor:
        return getattr(self, kind)[name][:, :frames]


@dataclass(eq=False)
class Way:
    """A way to take steps. mode: of memory; official: with what else the official code does; pooled: from a pool;
    flat: in fast kernels.
    """

    name: str
    mode: str
    official: bool = False
    pooled: bool = False
    flat: bool = False
    seconds: list[float] = field(default_factory=list)
    memory: int = 0
    gradient: Tensor | None = None


def list_ways(modes: Sequence[str]) -> list[Way]:
    """The official step, ours in each mode, and in the first and last with all that makes it faster."""
    ways = [Way(OFFICIAL, "low", official=True), *(Way(f"`{mode}`", mode) for mode in modes)]
    for mode in modes:
        if mode in ("fast", "low"):
            ways.append(Way(f"`{mode}`, fast_kernels", mode, flat=True))
            ways.append(Way(f"`{mode}`, fast_kernels, from a pool", mode, flat=True, pooled=True))
    return ways


class Bench:
    """Takes steps on a case in any way, always over the same draws."""

    def __init__(self, case: Case, which: str):
        self.case, self.device = case, case.latents.device
        self.sites = select_sites(find_sites(case.module), which)
        self.layers = find_modules_by_level(case.module)
        with torch.no_grad():
            self.text = case.encoder(case.words)
            self.grids = measure_grids(case.denoiser, self.sites, case.latents, self.text)
        generator = torch.Generator().manual_seed(0)
        noises = [torch.randn(case.latents.shape, generator=generator).to(self.device) for _ in range(DRAWS)]
        times = [torch.tensor([int((number + 0.5) * 1000 / DRAWS)], device=self.device) for number in range(DRAWS)]
        self.draws = list(zip(noises, times, strict=True))
        with frozen(case.module):
            self.prefix = Prefix.find(case.module, self.sites, lambda: self._predict(0, self.text))

    def _predict(self, number: int, text: Tensor) -> Tensor:
        eps, t = self.draws[number]
        return self.case.denoiser.predict(self.case.denoiser.schedule.add_noise(self.case.latents, eps, t), t, text)

    def start(self, way: Way) -> MotionEmbedding:
        frames = TABLE_FRAMES if way.official else self.case.latents.shape[2]
        embedding = MotionEmbedding.zeros(
            family_of(self.case.module), self.sites, self.grids, frames, device=self.device
        )
        for parameter in embedding.parameters:
            parameter.requires_grad_()
        return Tables(**vars(embedding)) if way.official else embedding

    @contextmanager
    def stepping(self, way: Way, dropout: bool = True) -> Iterator[tuple[Callable[[int], None], MotionEmbedding]]:
        """Within the block: a function that takes the step of a draw, up to the gradient, and what gets it."""
        embedding = self.start(way)
        with ExitStack() as stack:
            stack.enter_context(frozen(self.case.module))
            if way.official and dropout:
                self.case.module.train()
            if way.flat:
                stack.enter_context(in_fast_kernels(self.case.module))
            stack.enter_context(in_mode(way.mode, self.layers, self.device))
            stack.enter_context(inject(self.case.module, embedding))
            states: list[State] = [{} for _ in self.draws]
            if way.pooled:
                stack.enter_context(self.prefix.at_work())

            def step(number: int) -> None:
                if way.pooled:
                    self.prefix.state = states[number]
                text = self.text
                if way.official:
                    with torch.no_grad():
                        text = self.case.encoder(self.case.words)
                (self._predict(number, text) - self.draws[number][0]).square().mean().backward()

            yield step, embedding

    def compare(self, way: Way) -> None:
        """Note the gradient of one step at an embedding of zeros, all tensors in a row, cut to the clip's length."""
        with self.stepping(way, dropout=False) as (step, embedding):
            for _ in range(1 + way.pooled):  # the second time from what the first kept
                for parameter in embedding.parameters:
                    parameter.grad = None
                step(1)
            frames = self.case.latents.shape[2]
            way.gradient = torch.cat([p.grad[:, :frames].flatten().float().cpu() for p in embedding.parameters])

    def time(self, way: Way, steps: int) -> None:
        """Take so many steps of the optimiser, after some that are not timed: one, or for a pool those that fill it."""
        unseen = DRAWS if way.pooled else 1
        with self.stepping(way) as (step, embedding):
            optimiser = Descent().optimiser(embedding.parameters)
            for number in range(unseen + steps):
                if self.device.type == "cuda":
                    torch.cuda.reset_peak_memory_stats()
                start = self._now()
                optimiser.zero_grad(set_to_none=True)
                step(number % DRAWS)
                optimiser.step()
                if number >= unseen:
                    way.seconds.append(self._now() - start)
            if self.device.type == "cuda":
                way.memory = torch.cuda.max_memory_allocated() - (0 if way.official else _weigh(self.case.encoder))

    def weigh(self, way: Way) -> None:
        """Count the tensors of a step; a GPU's allocator has done so while it was timed."""
        if self.device.type == "cuda":
            return
        weights = _weigh(self.case.module) + (_weigh(self.case.encoder) if way.official else 0)
        with self.stepping(way) as (step, embedding):
            moments = 2 * sum(parameter.nbytes for parameter in embedding.parameters)
            with Allocations() as alive:
                step(0)
            way.memory = weights + 3 * moments // 2 + alive.peak

    def _now(self) -> float:
        if self.device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    def count_flops(self) -> int:
        """Of a step that computes nothing twice."""
        with self.stepping(Way("", "fast")) as (step, _), FlopCounterMode(display=False) as counter:
            step(0)
        return counter.get_total_flops()

    def predict_memory(self, mode: str) -> int:
        embedding = self.start(Way("", mode))
        with frozen(self.case.module), inject(self.case.module, embedding):
            predict = lambda: self._predict(0, self.text)  # noqa: E731
            return count(self.case.module, self.layers, embedding.parameters, predict).predict(mode)


def measure(case: Case, which: str, modes: Sequence[str], rounds: int, steps: int, peak: float | None) -> str:
    """The table of one case: every way in turn, forwards and backwards, round by round."""
    bench = Bench(case, which)
    ways = list_ways(modes)
    for way in ways:
        bench.compare(way)
        bench.weigh(way)
    for number in range(rounds):
        for way in ways[:: -1 if number % 2 else 1]:
            bench.time(way, steps)
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
    return "\n".join(head + [_describe(way, ways, bench, flops, peak) for way in ways])


def _weigh(module: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))


def _describe(way: Way, ways: Sequence[Way], bench: Bench, flops: int, peak: float | None) -> str:
    official, seconds = ways[0], median(way.seconds)
    low, middle, high = quantiles([a / b for a, b in zip(official.seconds, way.seconds, strict=True)], n=4)
    faster = f"{middle:.2f} ({low:.2f} to {high:.2f})"
    if way.pooled:
        full = next(other for other in ways[1:] if other.mode == way.mode and other.flat == way.flat)
        mean = (median(full.seconds) + (VISITS - 1) * seconds) / VISITS
        faster += f"; filling counted in, {median(official.seconds) / mean:.2f}"
    predicted = "" if way.official or way.pooled else say(bench.predict_memory(way.mode))
    assert way.gradient is not None and official.gradient is not None
    off = float((way.gradient - official.gradient).norm() / official.gradient.norm())
    used = f"{flops / seconds / (peak * 1e12):.0%}" if peak and not way.pooled else ""
    cells = (way.name, f"{seconds:.3f}", "1" if way.official else faster, say(way.memory), predicted)
    return f"| {' | '.join(cells)} | {'' if way.official else f'{off:.1e}'} | {used} |"


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
    parser.add_argument("--peak-tflops", type=float, help="of the GPU, where it is not known")
    given = parser.parse_args(arguments)
    device = torch.device(given.device)
    cuda = device.type == "cuda"
    torch.manual_seed(0)
    dtype = torch.bfloat16 if cuda else torch.float32
    width, height = given.size or ((64, 40) if cuda else (32, 20))
    rounds, steps = given.rounds or (8 if cuda else 4), given.steps or (8 if cuda else 2)
    peak = given.peak_tflops or find_peak(device)
    modes = given.modes or ["fast", "balanced", "low", *(["lowest"] if rests_elsewhere(device) else [])]
    model = given.model or ("both" if cuda else "zeroscope")
    if model != "animatediff":
        divisor = given.divisor or (1 if cuda else 5)
        case = build_zeroscope(device, dtype, divisor, given.frames, height, width)
        print(measure(case, given.sites, modes, rounds, steps, peak), end="\n\n", flush=True)
        del case
    if model != "zeroscope":
        case = build_animatediff(device, dtype, given.frames, height, width)
        print(measure(case, given.sites, modes, rounds, steps, peak), end="\n\n", flush=True)
    print(f"{say_machine(device)}; medians of {rounds * steps} steps, quartiles of the ratio in brackets")


if __name__ == "__main__":
    main()
