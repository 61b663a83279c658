"""`inspect`: what a motion file holds."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..embedding import MotionEmbedding

EXAMPLE = """example:
  python -m motion_core inspect horse.safetensors"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="motion file")


def run(args: argparse.Namespace) -> None:
    print(describe(MotionEmbedding.load(args.file), args.file))


def describe(embedding: MotionEmbedding, path: Path) -> str:
    """A page about a motion: where it comes from, how it was learnt, and how large it is at each block."""
    origin, recipe = embedding.origin, dict(embedding.origin.recipe)
    size = f"{origin.width}x{origin.height}" if origin.width else "unknown size"
    lines = [
        f"{path}  ({path.stat().st_size / 2**20:.2f} MiB)",
        f"family     {embedding.family}, {embedding.layout} layout, debiased by {embedding.debiased_by}",
        f"reference  {embedding.frames} frames, {size}, {origin.fps:g} fps",
        f"prompt     {origin.prompt or '(none)'}",
        f"seed       {origin.seed}",
        *(f"recipe     {name}: {value}" for name, value in sorted(recipe.items())),
        "",
        f"{'block':68} {'grid':>7} {'channels':>8} {'|qk|':>7} {'|v|':>7}",
    ]
    for block, (h, w) in embedding.grids.items():
        values = [t for name, t in embedding.v.items() if embedding.block_of(name) == block]
        v_size = sum(t.square().mean().item() for t in values) / len(values)
        qk = embedding.qk[block]
        grid = f"{h}x{w}"
        lines.append(f"{block:68} {grid:>7} {qk.shape[2]:8d} {qk.square().mean().sqrt():7.3f} {v_size**0.5:7.3f}")
    return "\n".join(lines)
