"""What attention along the frames costs in each of torch's kernels: very many very short sequences, as ZeroScope and
AnimateDiff have them. Every kernel in turn in one run; one line of a Markdown table for each shape.

`python -m benchmarks.attention` takes float32 on the CPU, in processor time; `--device cuda` bfloat16 on a GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from .machine import describe_machine, now

SHAPES = {
    "ZeroScope": ((2560, 5, 64), (640, 10, 64), (160, 20, 64), (40, 20, 64)),
    "AnimateDiff": ((2560, 8, 40), (640, 8, 80), (160, 8, 160), (40, 8, 160)),
}
"""(places, heads, channels of a head) at each level, for 512x320 pixels."""
KERNELS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "memory-efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
    "plain products": SDPBackend.MATH,
}
CHOICE = "torch's choice"


class Attention:
    """One shape of it. q, k, v: (places, heads, frames, channels), laid out as linear layers leave them."""

    def __init__(self, shape: tuple[int, int, int], frames: int, device: torch.device):
        places, heads, channels = shape
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.device = device
        self.inputs = [
            torch.randn(places, frames, heads, channels, device=device, dtype=dtype).transpose(1, 2).requires_grad_()
            for _ in range(3)
        ]
        self.gradient = torch.randn_like(self.inputs[0])

    def time(self, kernel: str) -> float | None:
        """Seconds of a forward and a backward; None where the kernel does not run."""
        try:
            begun = now(self.device)
            torch.autograd.grad(self._attend(kernel), self.inputs, self.gradient)
            return now(self.device) - begun
        except RuntimeError:
            return None

    def _attend(self, kernel: str) -> Tensor:
        if kernel == CHOICE:
            return functional.scaled_dot_product_attention(*self.inputs)
        with sdpa_kernel(KERNELS[kernel]):
            return functional.scaled_dot_product_attention(*self.inputs)


def measure(frames: int, device: torch.device, rounds: int) -> str:
    """The table."""
    names = (CHOICE, *KERNELS)
    lines = [f"| places x heads x channels | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
    for model, shapes in SHAPES.items():
        for shape in shapes:
            attention = Attention(shape, frames, device)
            found: dict[str, list[float | None]] = {name: [attention.time(name)] for name in names}  # not counted
            for number in range(rounds):
                for name in names[:: -1 if number % 2 else 1]:
                    found[name].append(attention.time(name))
            cells = [_describe(times[1:]) for times in found.values()]
            lines.append(f"| {model}, {' x '.join(map(str, shape))} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _describe(times: Sequence[float | None]) -> str:
    known = [time for time in times if time is not None]
    return f"{median(known) * 1000:.2f} ms" if known else ""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args(arguments)
    device = torch.device(given.device)
    torch.manual_seed(0)
    print(measure(given.frames, device, given.rounds), end="\n\n")
    print(f"{describe_machine(device)}; {given.frames} frames, a forward and a backward, medians of {given.rounds}")


if __name__ == "__main__":
    main()
