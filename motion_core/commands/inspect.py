"""`inspect`: what a motion file holds."""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from ..atomic_write import write_whole
from ..errors import FileError
from ..motions.adapter import Adapter
from ..motions.adapter_parts import LowRank
from ..motions.embedding import MotionEmbedding
from ..motions.motion import Motion, read_motion
from ..printable import printable
from . import options
from .output import say

EXAMPLE = """examples:
  python -m motion_core inspect horse.safetensors
  python -m motion_core inspect horse.safetensors --preview horse.webp"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="motion file")
    parser.add_argument("--preview", type=Path, metavar="FILE", help="write the preview that the file has (.webp)")


def run(args: argparse.Namespace) -> None:
    if args.preview:
        options.check_output(args.preview, (".webp",))
    motion = read_motion(args.file)
    say(describe(motion, args.file))
    if args.preview:
        write_preview(motion, args.file, args.preview)


def write_preview(motion: Motion, path: Path, target: Path) -> None:
    """Writes the preview of the motion in a file. Raises FileError."""
    if not motion.origin.preview:
        raise FileError(f"{path.name} has no preview; save the motion again with one")
    write_whole(target, motion.origin.preview)
    say(f"wrote {target}")


def describe(motion: Motion, path: Path) -> str:
    """A page about a motion: where it comes from, how it was learnt, and how large it is at each block or layer."""
    origin, recipe = motion.origin, dict(motion.origin.recipe)
    kind = "adapter" if isinstance(motion, Adapter) else f"{motion.layout} layout, debiased by {motion.debiased_by}"
    size = f"{origin.width}x{origin.height}" if origin.width else "unknown size"
    lines = [
        f"{path}  ({path.stat().st_size / 2**20:.2f} MiB)",
        f"family     {motion.family}, {kind}",
        f"reference  {motion.frames} frames, {size}, {origin.fps:g} fps",
        f"prompt     {origin.prompt or '(none)'}",
        f"seed       {origin.seed}",
        f"preview    {describe_preview(origin.preview)}",
        *(f"recipe     {name}: {value}" for name, value in sorted(recipe.items())),
        "",
    ]
    lines += _list_parts(motion) if isinstance(motion, Adapter) else _list_blocks(motion)
    return "\n".join(printable(line) for line in lines)


def describe_preview(preview: bytes) -> str:
    """A phrase about a preview."""
    if not preview:
        return "none"
    with Image.open(io.BytesIO(preview)) as image:
        width, height = image.size
        return f"{getattr(image, 'n_frames', 1)} frames, {width}x{height}, {len(preview) / 1000:.0f} kB"


def _list_blocks(embedding: MotionEmbedding) -> Iterator[str]:
    yield f"{'block':68} {'grid':>7} {'channels':>8} {'|qk|':>7} {'|v|':>7}"
    for block, (h, w) in embedding.grids.items():
        values = [t for name, t in embedding.v.items() if embedding.block_of(name) == block]
        v_size = sum(t.square().mean().item() for t in values) / len(values)
        qk = embedding.qk[block]
        grid = f"{h}x{w}"
        yield f"{block:68} {grid:>7} {qk.shape[2]:8d} {qk.square().mean().sqrt():7.3f} {v_size**0.5:7.3f}"


def _list_parts(adapter: Adapter) -> Iterator[str]:
    yield f"{'layer':92} {'shape':>16} {'rank':>5}"
    for name, part in adapter.parts.items():
        rank = str(part.down.shape[0]) if isinstance(part, LowRank) else "full"
        yield f"{name:92} {'x'.join(map(str, part.shape)):>16} {rank:>5}"
