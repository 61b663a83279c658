"""The `.safetensors` file of a motion embedding: its tensors and metadata, checked when it is read.

Tensors: `{name}.qk` (1, N, C) and `{name}.v` (h*w, N, C). Metadata: strings, as the format requires, with JSON for
`grids` and `recipe`. `debiased_by` says how v is debiased when it is applied.

Version 0 (before release) has no layout and is never debiased. Version 1 holds v as it is applied, already debiased.
Version 2 holds v as it was trained. A file without debiasing is the same in both and is written as version 1.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import FileError
from ..files.tensor_file import FileFormat, Metadata, Tensors, parsing_metadata
from ..models.token_layout import Grid
from .debias import DEBIAS_MODES, undo_difference
from .origin import Origin

KIND = FileFormat(
    noun="motion embedding",
    format="motion-embedding",
    version=2,
    pickled="if it is an official motion_embed.pt, run: python -m motion_core convert {name} {stem}.safetensors",
)
LAYOUTS = ("official", "paper")
_WORDS = ("family", "layout", "debiased_by")
_MOST_FRAMES, _MOST_CHANNELS, _MOST_PLACES = 1024, 16384, 2**18


@dataclass(frozen=True)
class EmbeddingContent:
    """What a file holds. v: as it was trained."""

    family: str
    qk: Mapping[str, Tensor]
    v: Mapping[str, Tensor]
    grids: Mapping[str, Grid]
    origin: Origin
    debiased_by: str
    layout: str
    frames: int


def write_embedding(content: EmbeddingContent, path: str | os.PathLike[str], dtype: torch.dtype) -> None:
    """Writes the file, whole or not at all. dtype: float16, bfloat16 or float32. Raises FileError."""
    tensors = {f"{name}.qk": t for name, t in content.qk.items()}
    tensors |= {f"{name}.v": t for name, t in content.v.items()}
    KIND.write(path, tensors, _describe(content), dtype)


def read_embedding(path: str | os.PathLike[str]) -> EmbeddingContent:
    """Reads and checks a file. Tensors are float32. Raises FileError with one sentence for what is wrong."""
    return KIND.read(path, _parse)


def _describe(content: EmbeddingContent) -> dict[str, str]:
    return {
        "version": "1" if content.debiased_by == "none" else "2",
        "family": content.family,
        "layout": content.layout,
        "frames": str(content.frames),
        "grids": json.dumps(dict(content.grids), sort_keys=True),
        "debiased_by": content.debiased_by,
        **content.origin.describe(),
    }


def _parse(path: Path, about: Metadata, tensors: Tensors) -> EmbeddingContent:
    if about["version"] == "0":
        about = {"debiased_by": "none", "layout": "official", **about}
    with parsing_metadata(path):
        grids = {str(block): _parse_grid(pair) for block, pair in json.loads(about["grids"]).items()}
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
    qk, v = (
        {key.rpartition(".")[0]: t for key, t in tensors.items() if key.endswith(f".{kind}")} for kind in ("qk", "v")
    )
    _check_channels(path, qk, v)
    if about["version"] == "1" and debiased_by == "difference":
        v = {name: undo_difference(tensor) for name, tensor in v.items()}
    return EmbeddingContent(family, qk, v, grids, origin, debiased_by, layout, frames)


def _parse_grid(pair: Any) -> Grid:
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
