"""What an applied motion costs in sampling: the same forwards without and with it, in turn, in one run.
Processor time, so that what else the machine does matters little.

`python -m benchmarks.patch_cost` measures AnimateDiff on a live host (see docs/architecture.md), on the tests' small
model. `--true-size` measures the core on diffusers' `UNetMotionModel` at SD 1.5's size with random weights instead.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from motion_core.hooks.embedding_hooks import EmbeddingHooks
from motion_core.models.families import find_sites
from motion_core.motions.embedding import MotionEmbedding
from tests.host import graphs
from tests.host.live_host import ANIMATEDIFF, HOW_TO_GET_ANIMATEDIFF, HOW_TO_GET_ONE, LiveHost, find_host
from tests.host.test_animatediff import begin, learn

from .pairs import describe_pairs

NAMES = ("plain", "patched")


def measure_on_host(side: int, frames: int, rounds: int, sites: str) -> str:
    root = find_host()
    if root is None:
        raise SystemExit(HOW_TO_GET_ONE)
    with tempfile.TemporaryDirectory() as work:
        host = LiveHost(root, Path(work))
        if ANIMATEDIFF not in host.packs:
            raise SystemExit(HOW_TO_GET_ANIMATEDIFF)
        host.start()
        try:
            graph, model, clip, wanted, _ = begin(frames=frames, side=side)
            patched = graphs.apply(graph, model, learn(graph, model, clip, wanted, steps=1, sites=sites))
            numbers = {"frames": frames, "side": side, "forwards": 2, "rounds": rounds}
            node = graph.add("ProbeCost", plain=model, patched=patched, positive=wanted, **numbers)
            lines = host.wait(host.queue(graph), patience=3600)[node]["text"][0]
        finally:
            host.stop()
    pairs = [tuple(map(float, line.split())) for line in lines.splitlines()]
    return describe_pairs([a for a, _ in pairs], [b for _, b in pairs], NAMES)


@torch.no_grad()
def measure_at_true_size(side: int, frames: int, rounds: int, sites: str) -> str:
    from diffusers import UNetMotionModel

    from motion_core.models.sites import select_sites

    unet = UNetMotionModel(sample_size=64, cross_attention_dim=768).eval()  # else SD 1.5's and the modules' own numbers
    chosen = select_sites(find_sites(unet), sites)
    grids = {site.block: (max(1, side >> site.level),) * 2 for site in chosen}
    embedding = MotionEmbedding.zeros("animatediff", chosen, grids, frames).map(torch.ones_like)
    hooks = EmbeddingHooks(unet, embedding)
    noise, text = torch.randn(2, 4, frames, side, side), torch.randn(2 * frames, 77, 768)
    seconds: dict[str, list[float]] = {name: [] for name in NAMES}

    def forward(patched: bool) -> None:
        start = time.process_time()
        if patched:
            with hooks.attached():
                unet(noise, torch.tensor(500), encoder_hidden_states=text)
        else:
            unet(noise, torch.tensor(500), encoder_hidden_states=text)
        seconds[NAMES[patched]].append(time.process_time() - start)

    forward(False)
    forward(True)
    seconds = {name: [] for name in NAMES}
    for number in range(rounds):
        for patched in (False, True)[:: -1 if number % 2 else 1]:
            forward(patched)
    return describe_pairs(seconds["plain"], seconds["patched"], NAMES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--true-size", action="store_true", help="the core at SD 1.5's size, without a host")
    parser.add_argument("--side", type=int, default=32, help="latent pixels along a side (32)")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=8, help="pairs (8)")
    parser.add_argument("--sites", default="deepest", help="deepest or all")
    given = parser.parse_args()
    measure = measure_at_true_size if given.true_size else measure_on_host
    what = "UNetMotionModel at SD 1.5's size" if given.true_size else "AnimateDiff-Evolved on a live host, small model"
    cost = measure(given.side, given.frames, given.rounds, given.sites)
    print(f"{what}, {given.frames} frames of {given.side}x{given.side} latents, sites {given.sites}: {cost}")


if __name__ == "__main__":
    main()
