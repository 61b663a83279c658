"""Keeps trained motions, so that an interrupted evaluation goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..atomic_write import write_whole
from ..motions.motion import Motion, read_motion
from .cost import Cost, measured


@dataclass(frozen=True)
class MotionCache:
    """A folder of trained motions, each named by what it depends on. weights: the model's `fingerprint`."""

    folder: Path
    weights: str

    def motion(self, name: str, settings: Mapping[str, Any], train: Callable[[], Motion]) -> tuple[Motion, Cost]:
        """Returns the motion of these settings and its cost, trained by `train` unless it is kept."""
        path = self.folder / f"{name}-{digest(self.weights, settings)}.safetensors"
        cost_file = path.with_suffix(".json")
        if not path.exists() or not cost_file.exists():
            with measured() as cost:
                motion = train()
            self.folder.mkdir(parents=True, exist_ok=True)
            motion.save(path)
            write_whole(cost_file, json.dumps(asdict(cost)).encode())
        # as saved, so that a later run measures the same
        return read_motion(path), Cost(**json.loads(cost_file.read_text(encoding="utf-8")))


def digest(*what: Any) -> str:
    """Returns a short name for values that can be written as JSON, and for the reprs of others."""
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=repr).encode()).hexdigest()[:12]


@cache
def fingerprint_code() -> str:
    """Returns a name of the core's sources, the same for the same sources."""
    core = Path(__file__).parents[1]
    return digest({file.relative_to(core).as_posix(): file.read_text(encoding="utf-8") for file in core.rglob("*.py")})


def fingerprint(*modules: nn.Module) -> str:
    """Returns a name of weights, the same for the same weights."""
    whole = hashlib.sha256()
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            whole.update(name.encode())
            whole.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()
