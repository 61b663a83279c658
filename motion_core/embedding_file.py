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
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .debias import DEBIAS_MODES
from .embedding import LAYOUTS, Grid, MotionEmbedding, Origin
from .errors import FileError
from .writing import replacing

FORMAT = "motion-embedding"
VERSION = 1
_WORDS = ("family", "layout", "debiased_by")
_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
_MOST_BYTES = 8 * 2**30
_MOST_TENSORS, _MOST_FRAMES, _MOST_CHANNELS, _MOST_PLACES = 4096, 1024, 16384, 2**18


def write_embedding(embedding: MotionEmbedding, path: str | os.PathLike[str], dtype: torch.dtype) -> None:
    """Write the file, whole or not at all. dtype: float16, bfloat16 or float32. Raises FileError."""
    target = Path(path)
    if target.suffix != ".safetensors":
        raise FileError(f"{target.name} has another ending than .safetensors; name the file {target.stem}.safetensors")
    if dtype not in _DTYPES:
        raise FileError(f"dtype is {dtype}; a motion embedding is kept as float16, bfloat16 or float32")
    tensors = {f"{name}.qk": t for name, t in embedding.qk.items()}
    tensors |= {f"{name}.v": t for name, t in embedding.v.items()}
    stored = {key: t.detach().to("cpu", dtype).contiguous() for key, t in tensors.items()}
    lost = [key for key, t in stored.items() if not t.isfinite().all()]
    if lost:
        raise FileError(f"{lost[0]} holds numbers that are not finite in {dtype}; learn again at a lower learning rate")
    with replacing(target) as scratch:
        scratch.write_bytes(_order_header(save(stored, _describe(embedding))))


def _describe(embedding: MotionEmbedding) -> dict[str, str]:
    origin = embedding.origin
    return {
        "format": FORMAT,
        "version": str(VERSION),
        "family": embedding.family,
        "layout": embedding.layout,
        "frames": str(embedding.frames),
        "grids": json.dumps(embedding.grids, sort_keys=True),
        "debiased_by": embedding.debiased_by,
        "width": str(origin.width),
        "height": str(origin.height),
        "fps": repr(origin.fps),
        "prompt": origin.prompt,
        "seed": str(origin.seed),
        "recipe": json.dumps(dict(origin.recipe), sort_keys=True),
    }


def _order_header(file: bytes) -> bytes:
    """The same file with its metadata in order: safetensors shuffles it, and the same embedding shall give the same
    bytes. A file is the header's length in 8 bytes, the header in JSON padded to 8, and the tensors.
    """
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    ordered = json.dumps(header, separators=(",", ":")).encode()
    ordered += b" " * (-len(ordered) % 8)
    return len(ordered).to_bytes(8, "little") + ordered + file[end:]


def read_embedding(path: str | os.PathLike[str]) -> MotionEmbedding:
    """Read and check a file; tensors come back in float32. Raises FileError, one sentence for what is wrong."""
    target = Path(path)
    _check_file(target)
    try:
        with safe_open(target, "pt") as file:
            about = _read_description(target, file.metadata() or {})
            keys = set(file.keys())
            if len(keys) > _MOST_TENSORS:
                raise FileError(
                    f"{target.name} holds {len(keys)} tensors, more than any motion embedding; check the file"
                )
            tensors = {key: file.get_tensor(key) for key in sorted(keys)}
    except (SafetensorError, OSError, ValueError, OverflowError) as reason:
        raise FileError(
            f"{target.name} is damaged or no safetensors file ({reason}); save or download it again"
        ) from reason
    return _assemble(target, about, tensors)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise FileError(f"{path} is not there; check the name")
    if path.suffix in (".pt", ".pth", ".bin", ".ckpt"):
        raise FileError(
            f"{path.name} is a pickle; if it is an official motion_embed.pt, "
            f"run: python -m motion_core convert {path.name} {path.stem}.safetensors"
        )
    if path.stat().st_size > _MOST_BYTES:
        raise FileError(f"{path.name} is larger than 8 GiB, so it is no motion embedding; check the file")


def _read_description(path: Path, about: Mapping[str, str]) -> dict[str, str]:
    if about.get("format") != FORMAT:
        raise FileError(
            f"{path.name} is no motion embedding (a LoRA or a model, perhaps); choose a file that was learnt here"
        )
    version = about.get("version", "")
    if not version.isdecimal():
        raise FileError(f"{path.name} names no format version ({version!r}); save or download it again")
    if int(version) > VERSION:
        raise FileError(
            f"{path.name} has format version {version} and this pack reads up to {VERSION}; update the pack"
        )
    return _upgrade(dict(about))


def _upgrade(about: dict[str, str]) -> dict[str, str]:
    """Bring an older description up to today's. Version 0 (before release) had no layout and was never debiased."""
    if about["version"] == "0":
        about = {"debiased_by": "none", "layout": "official", **about, "version": "1"}
    return about


def _assemble(path: Path, about: dict[str, str], tensors: dict[str, Tensor]) -> MotionEmbedding:
    try:
        grids = {str(block): _grid(pair) for block, pair in json.loads(about["grids"]).items()}
        frames, family, layout, debiased_by = int(about["frames"]), *(about[k] for k in _WORDS)
        origin = Origin(
            width=int(about.get("width", 0)),
            height=int(about.get("height", 0)),
            fps=float(about.get("fps", 0.0)),
            prompt=about.get("prompt", ""),
            seed=int(about.get("seed", 0)),
            recipe=dict(json.loads(about.get("recipe", "{}"))),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as reason:
        raise FileError(f"{path.name} describes itself incompletely ({reason!r}); save it again") from reason
    if layout not in LAYOUTS or debiased_by not in DEBIAS_MODES or not 1 <= frames <= _MOST_FRAMES:
        raise FileError(
            f"{path.name} says layout {layout!r}, debiased_by {debiased_by!r}, {frames} frames, which can't be; "
            "save it again"
        )
    _check_keys(path, tensors, grids, layout)
    for key, tensor in tensors.items():
        _check_tensor(path, key, tensor, frames, grids)
    named = {
        kind: {k.rpartition(".")[0]: t.float() for k, t in tensors.items() if k.endswith(f".{kind}")}
        for kind in ("qk", "v")
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
    wrong = None
    if tensor.dtype not in _DTYPES:
        wrong = f"has dtype {tensor.dtype}, not float16, bfloat16 or float32"
    elif tensor.ndim != 3 or tuple(tensor.shape[:2]) != (places, frames) or not 1 <= tensor.shape[2] <= _MOST_CHANNELS:
        wrong = f"has shape {tuple(tensor.shape)}, not ({places}, {frames}, channels)"
    elif not tensor.isfinite().all():
        wrong = "holds numbers that are not finite"
    if wrong:
        raise FileError(f"{path.name}: {key} {wrong}; save or download it again")


def _check_channels(path: Path, qk: Mapping[str, Tensor], v: Mapping[str, Tensor]) -> None:
    for name, tensor in v.items():
        shared = qk.get(name, qk.get(name.rpartition(".")[0]))
        if shared is None or shared.shape[2] != tensor.shape[2]:
            raise FileError(f"{path.name}: qk and v of {name} differ in channels; save or download it again")
