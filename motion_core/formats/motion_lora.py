"""Motion LoRA files of AnimateDiff, which AnimateDiff-Evolved loads beside a motion module.

Keys: `{attention}.processor.to_q_lora.down.weight` (r, in) and `.up.weight` (out, r), likewise for to_k, to_v and
to_out, each attention inside a `temporal_transformer`; without an alpha. That is written; read are also the names that
AnimateDiff-MotionDirector, diffusers, PEFT and kohya's scripts give the same layers, with an alpha or none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FileError, OptionError
from ..files.pickle_file import read_pickle, without_wrapper
from ..files.reading import checked_numbers, reading
from ..files.tensor_file import SUFFIX, as_stored, read_tensors, write_tensors
from ..models.animatediff.family import ANIMATEDIFF
from ..motions.adapter import Adapter
from ..motions.adapter_parts import LowRank
from ..motions.origin import Origin

_NOUN = "motion LoRA"
_LAYER = re.compile(
    r"(?P<attention>(?:down_blocks\.\d+|mid_block|up_blocks\.\d+)\.motion_modules\.\d+"
    r"\.temporal_transformer\.transformer_blocks\.\d+\.attention_blocks\.\d+)\.(?P<own>to_[qkv]|to_out)(?:\.0)?"
)
_PREFIX = re.compile(r"^(?:(?:base_model\.model|unet|diffusion_model)\.|lora_unet_)+")
_TENSOR = re.compile(
    r"(?P<layer>.+?)(?:(?:_lora|\.lora|\.lora_linear_layer)\.|\.lora_)(?P<side>down|up|A|B)(?:\.default)?\.weight"
    r"|(?P<scaled>.+?)(?:_lora|\.lora)?\.alpha"
)
_SIDES = {"A": "down", "B": "up"}
_ANY_LAYER = re.compile(
    r"(?P<home>(?:(?:down|up)_blocks\.\d+|mid_block)\.motion_modules\.\d+)(?:\.temporal_transformer)?\."
    r"(?:(?P<projection>proj_in|proj_out)|transformer_blocks\.(?P<depth>\d+)\."
    r"(?:(?:attention_blocks\.(?P<number>\d+)|attn(?P<attn>[12]))\.(?P<own>to_[qkv]|to_out)(?:\.0)?"
    r"|ff\.net\.(?P<net>0\.proj|2)))".replace(r"\.", "[._]")
)
"""With underscores for dots in kohya's names."""


def write_motion_lora(adapter: Adapter, path: str | os.PathLike[str], dtype: torch.dtype = torch.float16) -> None:
    """Write a `.safetensors` motion LoRA, the scale in its up tensors. Raises FileError for what it can't say."""
    tensors: dict[str, Tensor] = {}
    for name, part in adapter.parts.items():
        layer = _LAYER.fullmatch(name)
        if adapter.family != ANIMATEDIFF.name or not layer or not isinstance(part, LowRank):
            raise FileError(
                f"a motion LoRA holds low-rank changes of temporal attention in the {ANIMATEDIFF.name} family, and "
                f"{name} of the {adapter.family} family is none; learn on temporal_attention, or keep our format"
            )
        key = f"{layer['attention']}.processor.{layer['own']}_lora"
        tensors |= {f"{key}.down.weight": part.down, f"{key}.up.weight": part.up * part.scale}
    write_tensors(path, as_stored(path, tensors, dtype, _NOUN), adapter.origin.describe())


def read_motion_lora(path: str | os.PathLike[str]) -> Adapter:
    """Read a motion LoRA, `.safetensors` or pickled, without running anything in it. Raises FileError."""
    with reading(path, _NOUN) as file:
        pickled = file.suffix.lower() != SUFFIX
        stored = checked_numbers(file, _read_pickled(file) if pickled else read_tensors(file, _NOUN)[1])
        parts = {layer: _part_of(file, layer, held) for layer, held in _by_layer(file, stored).items()}
        try:
            return Adapter(ANIMATEDIFF.name, parts, Origin(recipe={"method": "motion LoRA file"}))
        except OptionError as reason:
            raise FileError(f"{file.name} is no motion LoRA ({reason}); check the file") from reason


def _read_pickled(path: Path) -> dict[str, Tensor]:
    stored = read_pickle(path, _NOUN)
    if isinstance(stored, dict) and isinstance(stored.get("state_dict"), dict):  # as published, with training's record
        stored = stored["state_dict"]
    if not isinstance(stored, dict) or not all(isinstance(t, Tensor) for t in stored.values()):
        raise FileError(f"{path.name} holds something else than a motion LoRA; check the file")
    return {str(key): tensor for key, tensor in stored.items()}


def _by_layer(path: Path, stored: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Layer's name -> down, up and perhaps alpha."""
    layers: dict[str, dict[str, Tensor]] = {}
    for key, tensor in stored.items():
        layer, own = _split(key)
        if not layer:
            raise FileError(f"{path.name} holds {key[:200]}, which belongs to no motion LoRA; check the file")
        held = layers.setdefault(layer, {})
        if own in held:
            raise FileError(f"{path.name} holds {own} of {layer} twice, under two names; check the file")
        held[own] = tensor
    return layers


def _split(key: str) -> tuple[str, str]:
    """(a layer's name in our families, `down`, `up` or `alpha`) of a key, or nothing for any other tensor's."""
    found = _TENSOR.fullmatch(_PREFIX.sub("", without_wrapper(key)).replace("processor.", ""))
    layer = _name_layer(found["layer"] or found["scaled"]) if found else ""
    return layer, (_SIDES.get(found["side"], found["side"]) if found and found["side"] else "alpha")


def _name_layer(name: str) -> str:
    """A layer of a motion module as motion-module files name it, or nothing for any other."""
    found = _ANY_LAYER.fullmatch(name)
    if not found:
        return ""
    home = re.sub(r"_(?=\d|motion_modules)", ".", found["home"])
    home = f"{home}.temporal_transformer"
    if found["projection"]:
        return f"{home}.{found['projection']}"
    block = f"{home}.transformer_blocks.{found['depth']}"
    if found["net"]:
        return f"{block}.ff.net.{found['net'].replace('_', '.')}"
    number = found["number"] or int(found["attn"]) - 1
    return f"{block}.attention_blocks.{number}.{found['own']}" + (".0" if found["own"] == "to_out" else "")


def _part_of(path: Path, layer: str, held: Mapping[str, Tensor]) -> LowRank:
    if not {"down", "up"} <= set(held):
        raise FileError(f"{path.name} holds one of down and up for {layer}, not both; download it again")
    try:
        part = LowRank(held["down"], held["up"], held["alpha"].item() if "alpha" in held else None)
    except (OptionError, RuntimeError) as reason:
        raise FileError(f"{path.name} is no motion LoRA ({layer}: {reason}); check the file") from reason
    if len(part.down) > min(part.shape):
        raise FileError(
            f"{path.name} has rank {len(part.down)} at {layer}, whose weight is {part.shape}: down and up are swapped, "
            "it seems; save it with down (r, in) and up (out, r)"
        )
    return part
