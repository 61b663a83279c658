"""What earlier runs learnt, so that an evaluation that was interrupted goes on where it stopped."""

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
class Shelf:
    """A folder of learnt motions, each named by what it depends on. weights: what `fingerprint` says of the model."""

    folder: Path
    weights: str

    def motion(self, name: str, settings: Mapping[str, Any], learn: Callable[[], Motion]) -> tuple[Motion, Cost]:
        """What `learn` learns with these settings, or once did, with what it cost then."""
        path = self.folder / f"{name}-{digest(self.weights, settings)}.safetensors"
        told = path.with_suffix(".json")
        if not path.exists() or not told.exists():
            with measured() as cost:
                motion = learn()
            self.folder.mkdir(parents=True, exist_ok=True)
            motion.save(path)
            write_whole(told, json.dumps(asdict(cost)).encode())
        return read_motion(path), Cost(
            **json.loads(told.read_text())
        )  # as saved, so that a later run measures the same


def digest(*what: Any) -> str:
    """A short name for what can be written as JSON, and for the reprs of the rest."""
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=repr).encode()).hexdigest()[:12]


@cache
def fingerprint_code() -> str:
    """Says whether the core's sources are the same."""
    core = Path(__file__).parents[1]
    return digest({str(file.relative_to(core)): file.read_text("utf-8") for file in core.rglob("*.py")})


def fingerprint(*modules: nn.Module) -> str:
    """Says whether the weights are the same."""
    whole = hashlib.sha256()
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            whole.update(name.encode())
            whole.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()
