"""The loop that trains the starter model's parts: seeded, resumable, with averaged weights.

Everything a step draws comes from generators seeded by (seed, step), so that a run that was stopped and resumed
is the run that was not.
"""

import json
import math
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from motion_core.atomic_write import replacing
from tools.starter.muon import Muon


@dataclass(frozen=True)
class Settings:
    """How long and how fast to train. steps: optimiser steps; average: decay of the averaged weights.

    matrix_rate: the learning rate of matrices and convolutions by Muon. Without it AdamW trains them too.
    """

    steps: int
    learning_rate: float
    matrix_rate: float | None = None
    warm_up: int = 100
    weight_decay: float = 1e-2
    clip: float = 1.0
    average: float = 0.999
    seed: int = 0


@dataclass(frozen=True)
class TrainingExample:
    """The random sources of one step."""

    rng: random.Random
    generator: torch.Generator

    @classmethod
    def at(cls, seed: int, step: int) -> "TrainingExample":
        number = seed * 1_000_003 + step
        return cls(random.Random(number), torch.Generator().manual_seed(number))


MOMENTS = ("exp_avg", "exp_avg_sq", "momentum")
"""What AdamW and Muon remember of gradients."""


def build_optimisers(parameters: Iterable[nn.Parameter], settings: Settings) -> list[torch.optim.Optimizer]:
    """AdamW for all parameters, or for those that are no matrices, with Muon for the matrices."""
    parameters, decay = list(parameters), settings.weight_decay
    matrices = [p for p in parameters if settings.matrix_rate and is_matrix(p)]
    known = {id(p) for p in matrices}
    others = [p for p in parameters if id(p) not in known]
    optimisers: list[torch.optim.Optimizer] = []
    if others:
        optimisers.append(torch.optim.AdamW(others, lr=settings.learning_rate, weight_decay=decay))
    if matrices and settings.matrix_rate:
        optimisers.append(Muon(matrices, lr=settings.matrix_rate, weight_decay=decay))
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["full_rate"] = group["lr"]
    return optimisers


def is_matrix(p: Tensor) -> bool:
    """Whether a weight maps many values to many: not a bias, a scale, or a table of one row."""
    return p.ndim >= 2 and p.shape[0] > 1 and p[0].numel() > 1


def _owned(optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimiser.param_groups for p in group["params"]]


class Trainer:
    """Trains the parameters of a module. loss: (example, step) -> scalar tensor."""

    def __init__(self, module: nn.Module, settings: Settings, folder: Path):
        self.module, self.settings, self.folder = module, settings, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.parameters = dict(module.named_parameters())
        self.average = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.optimisers = build_optimisers(self.parameters.values(), settings)
        self.step = 0
        self.seconds = 0.0
        self.losses: list[tuple[int, float]] = []
        if self._path.exists():
            self._resume()

    @property
    def _path(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    def _share(self) -> float:
        """Share of the learning rate that this step takes: a warm-up, then half a cosine."""
        s = self.settings
        if self.step < s.warm_up:
            return (self.step + 1) / s.warm_up
        done = (self.step - s.warm_up) / max(1, s.steps - s.warm_up)
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))

    def run(
        self, loss_at: Callable[[TrainingExample, int], Tensor], report_every: int = 50, save_every: int = 200
    ) -> None:
        started, recent = time.monotonic() - self.seconds, []
        while self.step < self.settings.steps:
            loss = loss_at(TrainingExample.at(self.settings.seed, self.step), self.step)
            recent.append(self._update(loss))
            self.step += 1
            self.seconds = time.monotonic() - started
            if self.step % report_every == 0:
                self.losses.append((self.step, sum(recent) / len(recent)))
                print(f"step {self.step} loss {self.losses[-1][1]:.5f} {self.seconds:.0f} s", flush=True)
                recent = []
            if self.step % save_every == 0 or self.step == self.settings.steps:
                self.save()

    def _update(self, loss: Tensor) -> float:
        self.module.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(list(self.parameters.values()), self.settings.clip)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self._share() * group["full_rate"]
            optimiser.step()
        decay = min(self.settings.average, (1 + self.step) / (10 + self.step))
        for name, p in self.parameters.items():
            self.average[name].lerp_(p.detach(), 1 - decay)
        return loss.item()

    def load_average(self) -> None:
        """Put the averaged weights into the module."""
        with torch.no_grad():
            for name, p in self.parameters.items():
                p.copy_(self.average[name])

    def record(self) -> dict:
        return {
            "settings": asdict(self.settings),
            "steps": self.step,
            "seconds": round(self.seconds),
            "losses": [(s, round(x, 5)) for s, x in self.losses],
        }

    def save(self) -> None:
        state = {f"weight.{n}": p.detach() for n, p in self.parameters.items()}
        state |= {f"average.{n}": a for n, a in self.average.items()}
        for name, p in self.parameters.items():
            state |= {f"{kind}.{name}": tensor for kind, tensor in self._moments(p).items()}
        about = {"record": json.dumps(self.record())}
        with replacing(self._path) as scratch:
            save_file({k: v.contiguous().clone() for k, v in state.items()}, scratch, about)

    def _moments(self, p: nn.Parameter) -> dict[str, Tensor]:
        """What the parameter's optimiser remembers of its gradients."""
        kept = next(optimiser.state[p] for optimiser in self.optimisers if p in optimiser.state)
        return {kind: kept[kind] for kind in MOMENTS if kind in kept}

    def _resume(self) -> None:
        with safe_open(self._path, "pt") as file, torch.no_grad():
            record, known = json.loads(file.metadata()["record"]), set(file.keys())
            for name, p in self.parameters.items():
                p.copy_(file.get_tensor(f"weight.{name}"))
                self.average[name].copy_(file.get_tensor(f"average.{name}"))
                kinds = [kind for kind in MOMENTS if f"{kind}.{name}" in known]
                moments = {kind: file.get_tensor(f"{kind}.{name}").clone() for kind in kinds}  # not in the open file
                owner = next(each for each in self.optimisers if any(p is q for q in _owned(each)))
                owner.state[p] = {"step": torch.tensor(float(record["steps"])), **moments}
        self.step, self.seconds = record["steps"], record["seconds"]
        self.losses = [tuple(x) for x in record["losses"]]
