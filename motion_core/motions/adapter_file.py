"""The `.safetensors` file of an adapter.

Tensors, by the names under which ComfyUI patches a model: `{layer}.lora_down.weight` (r, in), `{layer}.lora_up.weight`
(out, r) and `{layer}.alpha` (), or `{layer}.diff` (out, in, ...) and `{layer}.diff_b` (out,). Metadata: the family and
the origin.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FileError, OptionError
from ..files.tensor_file import FileFormat, Metadata, Tensors, parsing_metadata
from .adapter_parts import LowRank, Part, WeightDelta
from .origin import Origin

KIND = FileFormat(
    noun="motion adapter",
    format="motion-adapter",
    version=1,
    pickled="a MotionDirector list or a motion LoRA is read by the node Load Motion Adapter; save it from there",
)
_DOWN, _UP, _ALPHA, _WEIGHT, _BIAS = "lora_down.weight", "lora_up.weight", "alpha", "diff", "diff_b"


@dataclass(frozen=True)
class AdapterContent:
    """What a file holds."""

    family: str
    parts: Mapping[str, Part]
    origin: Origin


def write_adapter(content: AdapterContent, path: str | os.PathLike[str], dtype: torch.dtype) -> None:
    """Writes the file, whole or not at all. dtype: float16, bfloat16 or float32. Raises FileError."""
    tensors = {f"{layer}.{key}": t for layer, part in content.parts.items() for key, t in _tensors_of(part).items()}
    KIND.write(path, tensors, {"family": content.family, **content.origin.describe()}, dtype)


def read_adapter(path: str | os.PathLike[str]) -> AdapterContent:
    """Reads and checks a file. Tensors are float32. Raises FileError with one sentence for what is wrong."""
    return KIND.read(path, _parse)


def _tensors_of(part: Part) -> dict[str, Tensor]:
    if isinstance(part, LowRank):
        alpha = {} if part.alpha is None else {_ALPHA: torch.tensor(part.alpha)}
        return {_DOWN: part.down, _UP: part.up, **alpha}
    return {_WEIGHT: part.weight} if part.bias is None else {_WEIGHT: part.weight, _BIAS: part.bias}


def _parse(path: Path, about: Metadata, tensors: Tensors) -> AdapterContent:
    with parsing_metadata(path):
        family, origin = about["family"], Origin.read(about)
    by_layer: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        layer, own = _split(path, key)
        by_layer.setdefault(layer, {})[own] = tensor
    try:
        parts = {layer: _part_of(layer, held) for layer, held in by_layer.items()}
    except OptionError as reason:
        raise FileError(f"{path.name}: {reason}; save or download it again") from reason
    if not parts:
        raise FileError(f"{path.name}: an adapter needs at least one part; save or download it again")
    return AdapterContent(family, parts, origin)


def _split(path: Path, key: str) -> tuple[str, str]:
    for own in (_DOWN, _UP, _ALPHA, _WEIGHT, _BIAS):
        if key.endswith(f".{own}"):
            return key.removesuffix(f".{own}"), own
    raise FileError(f"{path.name} has the unknown tensor {key}; save or download it again")


def _part_of(layer: str, held: dict[str, Tensor]) -> Part:
    keys = set(held)
    try:
        if keys in ({_DOWN, _UP}, {_DOWN, _UP, _ALPHA}):
            return LowRank(held[_DOWN], held[_UP], held[_ALPHA].item() if _ALPHA in held else None)
        if keys in ({_WEIGHT}, {_WEIGHT, _BIAS}):
            return WeightDelta(held[_WEIGHT], held.get(_BIAS))
    except (OptionError, RuntimeError) as reason:
        raise OptionError(f"{layer}: {reason}") from reason
    raise OptionError(f"{layer} has {', '.join(sorted(keys))}, which make no whole part")
