"""How a motion embedding is learnt."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ..diffusion.objectives import parse_objective
from ..diffusion.timesteps import TimestepSampler
from ..errors import OptionError
from ..memory.modes import AUTO, LEARNING_MODES
from ..motions.embedding import LAYOUTS, SPATIAL
from ..training.loop import Descent
from ..video.pictures.recolouring import COLOURINGS
from .presets import PRESETS, find_preset


@dataclass(frozen=True)
class LearnConfig:
    """How to learn. steps: optimiser steps; objective: a sum of objectives; sites: `deepest`, `all` or a pattern;
    layout: `official` or `paper`; memory: see `motion_core.memory.modes`; timesteps: which noise levels are visited
    (None: all alike); colourings: in how many colourings `learn_motion` shows the clip (1: only as it is), see
    `motion_core.video.pictures.recolouring`; pool: from how many draws all steps are taken, see `motion_core.pool` (0: every step
    makes its own, -1: as many as memory holds); early_stop: whether to end once the loss on draws that are not learnt
    from falls no more, and to keep the best, see `motion_core.validation`; fast_kernels: see `motion_core.kernels`.
    spatial: which embeddings differ from place to place, see `motion_core.embedding`; steady: see
    `motion_core.steadiness`. compile: see `motion_core.compiling`; cuda_graphs: see `motion_core.replaying`; where they
    do not work, learning goes on without them and says why.
    Raises OptionError.
    """

    steps: int = 400
    learning_rate: float = 2e-2
    objective: str = "noise_mse"
    sites: str = "deepest"
    layout: str = "official"
    memory: str = AUTO
    seed: int = 0
    timesteps: TimestepSampler | None = None
    colourings: int = 1
    preset: str = "custom"
    pool: int = 0
    early_stop: bool = False
    fast_kernels: bool = False
    spatial: str = "v"
    steady: bool = False
    compile: bool = False
    cuda_graphs: bool = False

    def __post_init__(self) -> None:
        self.descent()
        if self.layout not in LAYOUTS:
            raise OptionError(f"layout is {self.layout!r}; use one of {', '.join(LAYOUTS)}")
        if self.spatial not in SPATIAL:
            raise OptionError(f"spatial is {self.spatial!r}; use one of {', '.join(SPATIAL)}")
        if self.memory not in LEARNING_MODES:
            raise OptionError(f"memory is {self.memory!r}; use one of {', '.join(LEARNING_MODES)}")
        if not 1 <= self.colourings <= COLOURINGS:
            raise OptionError(f"colourings is {self.colourings}; choose 1 (the clip as it is) to {COLOURINGS}")
        if not -1 <= self.pool <= 100_000:
            raise OptionError(f"pool is {self.pool}; choose 0 (none), -1 (as memory allows) or up to 100000 draws")
        if self.pool and self.cuda_graphs:
            raise OptionError(
                f"pool is {self.pool} and cuda_graphs is on: what a graph replays can't be taken from a pool; use one"
            )
        if not 0 <= self.seed < 2**63:
            raise OptionError(f"seed is {self.seed}; choose a whole number from 0 to 2^63 - 1")
        parse_objective(self.objective)

    def descent(self) -> Descent:
        """Its optimiser. Raises OptionError."""
        return Descent(self.steps, self.learning_rate, steady=self.steady)

    @classmethod
    def of(cls, preset: str, **changes: Any) -> LearnConfig:
        """A preset with what is given (and not None) put in its place."""
        given = {name: value for name, value in changes.items() if value is not None}
        return cls(**{**find_preset(preset).learn, "preset": preset, **given})

    def recipe(self) -> dict[str, Any]:
        """What the file says of how it was learnt."""
        numbers = asdict(replace(self, timesteps=None))
        numbers["timesteps"] = repr(self.timesteps) if self.timesteps else "uniform"
        del numbers["seed"]
        for name in ("pool", "early_stop", "fast_kernels", "steady", "compile", "cuda_graphs"):
            if not numbers[name]:  # what is off is not said, so that a file is the same as before it could be on
                del numbers[name]
        suggested = PRESETS[self.preset].apply if self.preset in PRESETS else {}
        return {"method": "motion inversion", "optimiser": str(self.descent()), "apply": suggested, **numbers}
