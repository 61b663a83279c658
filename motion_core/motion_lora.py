"""Motion LoRA files of AnimateDiff, which AnimateDiff-Evolved loads beside a motion module.

Keys: `{attention}.processor.to_q_lora.down.weight` (r, in) and `.up.weight` (out, r), likewise for to_k, to_v and
to_out, each attention inside a `temporal_transformer`. There is no alpha.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch
from torch import Tensor

from .adapter import Adapter, LowRank
from .backbones import animatediff
from .errors import FileError, OptionError
from .origin import Origin
from .pickle_reading import read_pickle
from .tensor_file import read_tensors, write_tensors

_NOUN = "motion LoRA"
_ATTENTION = (
    r"(?P<attention>(?:down_blocks\.\d+|mid_block|up_blocks\.\d+)\.motion_modules\.\d+"
    r"\.temporal_transformer\.transformer_blocks\.\d+\.attention_blocks\.\d+)"
)
_LAYER = re.compile(_ATTENTION + r"\.(?P<own>to_[qkv]|to_out)(?:\.0)?")
_KEY = re.compile(_ATTENTION + r"\.processor\.(?P<own>to_[qkv]|to_out)_lora\.(?P<side>down|up)\.weight")


def write_motion_lora(adapter: Adapter, path: str | os.PathLike[str], dtype: torch.dtype = torch.float16) -> None:
    """Write a `.safetensors` motion LoRA, the scale in its up tensors. Raises FileError for what it can't say."""
    tensors: dict[str, Tensor] = {}
    for name, part in adapter.parts.items():
        layer = _LAYER.fullmatch(name)
        if adapter.family != animatediff.FAMILY or not layer or not isinstance(part, LowRank):
            raise FileError(
                f"a motion LoRA holds low-rank changes of temporal attention in the {animatediff.FAMILY} family, and "
                f"{name} of the {adapter.family} family is none; learn on temporal_attention, or keep our format"
            )
        key = f"{layer['attention']}.processor.{layer['own']}_lora"
        tensors |= {f"{key}.down.weight": part.down, f"{key}.up.weight": part.up * part.scale}
    write_tensors(path, tensors, adapter.origin.describe(), dtype, _NOUN)


def read_motion_lora(path: str | os.PathLike[str]) -> Adapter:
    """Read a motion LoRA, `.safetensors` or pickled, without running anything in it. Raises FileError."""
    file = Path(path)
    stored = read_tensors(file, _NOUN)[1] if file.suffix == ".safetensors" else _read_pickled(file)
    sides: dict[str, dict[str, Tensor]] = {}
    for key, tensor in stored.items():
        found = _KEY.fullmatch(key)
        if not found:
            raise FileError(f"{file.name} holds {key[:200]}, which belongs to no motion LoRA; check the file")
        layer = f"{found['attention']}.{found['own']}" + (".0" if found["own"] == "to_out" else "")
        sides.setdefault(layer, {})[found["side"]] = tensor.float()
    lone = [layer for layer, held in sides.items() if len(held) != 2]
    if lone:
        raise FileError(f"{file.name} holds one of down and up for {lone[0]}, not both; download it again")
    try:
        parts = {layer: LowRank(held["down"], held["up"]) for layer, held in sides.items()}
        return Adapter(animatediff.FAMILY, parts, Origin(recipe={"method": "motion LoRA file"}))
    except OptionError as reason:
        raise FileError(f"{file.name} is no motion LoRA ({reason}); check the file") from reason


def _read_pickled(path: Path) -> dict[str, Tensor]:
    stored = read_pickle(path, _NOUN)
    if isinstance(stored, dict) and isinstance(stored.get("state_dict"), dict):  # as published, with training's record
        stored = stored["state_dict"]
    if not isinstance(stored, dict) or not all(isinstance(t, Tensor) for t in stored.values()):
        raise FileError(f"{path.name} holds something else than a motion LoRA; check the file")
    return {str(key): tensor.detach() for key, tensor in stored.items()}
