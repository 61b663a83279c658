"""The loop that trains the starter model's parts: seeded, resumable, with averaged weights.

Everything a step draws comes from generators seeded by (seed, step), so that a run that was stopped and resumed
is the run that was not.
"""

import json
import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from motion_core.atomic_write import replacing


@dataclass(frozen=True)
class Settings:
    """How long and how fast to train. steps: optimiser steps; average: decay of the averaged weights."""

    steps: int
    learning_rate: float
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


class Trainer:
    """Trains the parameters of a module. loss: (example, step) -> scalar tensor."""

    def __init__(self, module: nn.Module, settings: Settings, folder: Path):
        self.module, self.settings, self.folder = module, settings, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.parameters = dict(module.named_parameters())
        self.average = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.optimiser = torch.optim.AdamW(
            self.parameters.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.step = 0
        self.seconds = 0.0
        self.losses: list[tuple[int, float]] = []
        if self._path.exists():
            self._resume()

    @property
    def _path(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    def _rate(self) -> float:
        s = self.settings
        if self.step < s.warm_up:
            return s.learning_rate * (self.step + 1) / s.warm_up
        done = (self.step - s.warm_up) / max(1, s.steps - s.warm_up)
        return s.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))

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
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(list(self.parameters.values()), self.settings.clip)
        self.optimiser.step()
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
            state |= {f"{k}.{name}": self.optimiser.state[p][k] for k in ("exp_avg", "exp_avg_sq")}
        about = {"record": json.dumps(self.record())}
        with replacing(self._path) as scratch:
            save_file({k: v.contiguous().clone() for k, v in state.items()}, scratch, about)

    def _resume(self) -> None:
        with safe_open(self._path, "pt") as file, torch.no_grad():
            record = json.loads(file.metadata()["record"])
            for name, p in self.parameters.items():
                p.copy_(file.get_tensor(f"weight.{name}"))
                self.average[name].copy_(file.get_tensor(f"average.{name}"))
                self.optimiser.state[p] = {
                    "step": torch.tensor(float(record["steps"])),
                    "exp_avg": file.get_tensor(f"exp_avg.{name}"),
                    "exp_avg_sq": file.get_tensor(f"exp_avg_sq.{name}"),
                }
        self.step, self.seconds = record["steps"], record["seconds"]
        self.losses = [tuple(x) for x in record["losses"]]
