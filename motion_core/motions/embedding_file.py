"""The `.safetensors` file of a motion embedding: written whole, read with every check.

Tensors: `{name}.qk` (1, N, C) and `{name}.v` (h*w, N, C). Metadata: see `_describe`; strings, as the format wants
them, with JSON for `grids` and `recipe`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import FileError
from ..files.tensor_file import FileFormat, Metadata, Tensors, parsing_metadata
from .debias import DEBIAS_MODES
from .embedding import LAYOUTS, Grid, MotionEmbedding
from .origin import Origin

KIND = FileFormat(
    noun="motion embedding",
    format="motion-embedding",
    version=1,
    pickled="if it is an official motion_embed.pt, run: python -m motion_core convert {name} {stem}.safetensors",
)
_WORDS = ("family", "layout", "debiased_by")
_MOST_FRAMES, _MOST_CHANNELS, _MOST_PLACES = 1024, 16384, 2**18


def write_embedding(embedding: MotionEmbedding, path: str | os.PathLike[str], dtype: torch.dtype) -> None:
    """Write the file, whole or not at all. dtype: float16, bfloat16 or float32. Raises FileError."""
    tensors = {f"{name}.qk": t for name, t in embedding.qk.items()}
    tensors |= {f"{name}.v": t for name, t in embedding.v.items()}
    KIND.write(path, tensors, _describe(embedding), dtype)


def _describe(embedding: MotionEmbedding) -> dict[str, str]:
    return {
        "family": embedding.family,
        "layout": embedding.layout,
        "frames": str(embedding.frames),
        "grids": json.dumps(embedding.grids, sort_keys=True),
        "debiased_by": embedding.debiased_by,
        **embedding.origin.describe(),
    }


def read_embedding(path: str | os.PathLike[str]) -> MotionEmbedding:
    """Read and check a file; tensors come back in float32. Raises FileError, one sentence for what is wrong."""
    return KIND.read(path, _assemble)


def _upgrade(about: Metadata) -> Metadata:
    """Bring an older description up to today's. Version 0 (before release) had no layout and was never debiased."""
    if about["version"] == "0":
        about = {"debiased_by": "none", "layout": "official", **about, "version": "1"}
    return about


def _assemble(path: Path, about: Metadata, tensors: Tensors) -> MotionEmbedding:
    about = _upgrade(about)
    with parsing_metadata(path):
        grids = {str(block): _grid(pair) for block, pair in json.loads(about["grids"]).items()}
        frames, family, layout, debiased_by = int(about["frames"]), *(about[k] for k in _WORDS)
        origin = Origin.read(about)
    if layout not in LAYOUTS or debiased_by not in DEBIAS_MODES or not 1 <= frames <= _MOST_FRAMES:
        raise FileError(
            f"{path.name} says layout {layout!r}, debiased_by {debiased_by!r}, {frames} frames, which can't be; "
            "save it again"
        )
    _check_keys(path, tensors, grids, layout)
    for key, tensor in tensors.items():
        _check_tensor(path, key, tensor, frames, grids)
    named = {
        kind: {k.rpartition(".")[0]: t for k, t in tensors.items() if k.endswith(f".{kind}")} for kind in ("qk", "v")
    }
    _check_channels(path, named["qk"], named["v"])
    return MotionEmbedding(family, named["qk"], named["v"], grids, origin, debiased_by)


def _grid(pair: Any) -> Grid:
    h, w = (int(side) for side in pair)
    if h < 1 or w < 1 or h * w > _MOST_PLACES:
        raise ValueError(f"a grid of {h} x {w}")
    return h, w


def _check_keys(path: Path, tensors: Mapping[str, Tensor], grids: Mapping[str, Grid], layout: str) -> None:
    own = [""] if layout == "paper" else [".attn1", ".attn2"]
    wanted = {f"{block}.qk" for block in grids} | {f"{block}{site}.v" for block in grids for site in own}
    for word, keys in (("lacks", wanted - set(tensors)), ("has the unknown", set(tensors) - wanted)):
        if keys:
            raise FileError(f"{path.name} {word} tensor {sorted(keys)[0]}; save or download it again")


def _check_tensor(path: Path, key: str, tensor: Tensor, frames: int, grids: Mapping[str, Grid]) -> None:
    name, _, kind = key.rpartition(".")
    grid = grids.get(name) or grids[name.rpartition(".")[0]]
    places = 1 if kind == "qk" else grid[0] * grid[1]
    known = {(1, frames), (grid[0] * grid[1], frames)}  # the paper's ablation has each the other way
    if tensor.ndim != 3 or tuple(tensor.shape[:2]) not in known or not 1 <= tensor.shape[2] <= _MOST_CHANNELS:
        raise FileError(
            f"{path.name}: {key} has shape {tuple(tensor.shape)}, not ({places}, {frames}, channels); "
            "save or download it again"
        )


def _check_channels(path: Path, qk: Mapping[str, Tensor], v: Mapping[str, Tensor]) -> None:
    for name, tensor in v.items():
        shared = qk.get(name, qk.get(name.rpartition(".")[0]))
        if shared is None or shared.shape[2] != tensor.shape[2]:
            raise FileError(f"{path.name}: qk and v of {name} differ in channels; save or download it again")
