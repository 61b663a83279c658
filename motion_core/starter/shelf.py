"""What earlier runs of the benchmark learnt and measured, so that one that was interrupted goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..embedding import MotionEmbedding


@dataclass(frozen=True)
class Score:
    """One generated clip: motion fidelity, and the shares of frames with colour, shape and ground right."""

    fidelity: float
    colour: float
    shape: float
    ground: float

    @property
    def appearance(self) -> float:
        return (self.colour + self.shape + self.ground) / 3


@dataclass(frozen=True)
class Shelf:
    """A folder of results, each named by what it depends on. weights: what `fingerprint` says of the model."""

    folder: Path
    weights: str

    def motion(self, name: str, settings: dict[str, Any], learn: Callable[[], MotionEmbedding]) -> MotionEmbedding:
        path = self._path(name, settings, ".safetensors")
        if not path.exists():
            learn().save(path)
        return MotionEmbedding.load(path)  # as saved, in fp16, so that a later run measures the same

    def scores(self, name: str, settings: dict[str, Any], measure: Callable[[], Sequence[Score]]) -> list[Score]:
        path = self._path(name, settings, ".json")
        if not path.exists():
            unfinished = path.with_suffix(".part")
            unfinished.write_text(json.dumps([astuple(score) for score in measure()]))
            unfinished.replace(path)
        return [Score(*numbers) for numbers in json.loads(path.read_text())]

    def _path(self, name: str, settings: dict[str, Any], suffix: str) -> Path:
        said = json.dumps([self.weights, settings], sort_keys=True)
        return self.folder / f"{name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}{suffix}"


def fingerprint(*modules: nn.Module) -> str:
    """Says whether the weights are the same."""
    digest = hashlib.sha256()
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
