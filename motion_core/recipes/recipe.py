"""What a published way of customising motion is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..diffusion.initial_noise import NOISE_METHODS
from ..diffusion.objectives import parse_objective
from ..diffusion.timesteps import TimestepSampler, Uniform
from ..errors import OptionError
from ..memory.checkpointing import MEMORY_MODES
from ..training.loop import Descent

KINDS = ("low_rank", "weights")
FEATURES = "attention_feature_match"


@dataclass(frozen=True)
class Recipe:
    """A method as a combination of the same few choices. Raises OptionError.

    What is trained: `layers` (see `motion_core.models.layers.select_layers`), as `kind` low_rank (of `rank`) or weights.
    `looks`: layers of a second adapter that learns single frames beside it and is left out when applied; none: "".
    On which loss: `objective`, a sum as in `motion_core.diffusion.objectives`, or `attention_feature_match`.
    At which noise levels: `timesteps`. How: `descent`. With `regularised`, clips that do not show the motion are
    learnt beside it. How it is applied: `apply` (strength, start, end), from which initial `noise`, with which `beta`.
    source: paper and code. Where the two differ, the recipe's own text says what was taken.
    """

    name: str
    source: str
    layers: str
    kind: str = "low_rank"
    rank: int = 32
    looks: str = ""
    objective: str = "noise_mse"
    timesteps: TimestepSampler = Uniform(0, 1000)
    descent: Descent = Descent()
    regularised: bool = False
    apply: Mapping[str, Any] = field(default_factory=dict)
    noise: str = "random"
    beta: float = 0.5
    memory: str = "balanced"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise OptionError(f"kind is {self.kind!r}; use one of {', '.join(KINDS)}")
        if not 1 <= self.rank <= 1024:
            raise OptionError(f"rank is {self.rank}; choose 1 to 1024 (32 is usual)")
        if self.noise not in NOISE_METHODS:
            raise OptionError(f"noise is {self.noise!r}; use one of {', '.join(NOISE_METHODS)}")
        if self.memory not in MEMORY_MODES:
            raise OptionError(f"memory is {self.memory!r}; use one of {', '.join(MEMORY_MODES)}")
        if self.objective != FEATURES:
            parse_objective(self.objective)

    @property
    def unused(self) -> tuple[str, ...]:
        """Which of the settings change nothing."""
        return () if self.kind == "low_rank" else ("rank",)

    def changed(self, **given: Any) -> Recipe:
        """With what is given (and not None) put in its place; steps and learning_rate are the descent's."""
        known = {name: value for name, value in given.items() if value is not None}
        own = {name: known.pop(name) for name in ("steps", "learning_rate") if name in known}
        return replace(self, **known, descent=replace(self.descent, **own))

    def describe(self) -> dict[str, Any]:
        """What the file says of how it was learnt."""
        numbers = asdict(replace(self, timesteps=Uniform()))
        del numbers["name"], numbers["descent"]
        return {
            **numbers,
            "method": self.name,
            "optimiser": str(self.descent),
            "steps": self.descent.steps,
            "learning_rate": self.descent.learning_rate,
            "timesteps": repr(self.timesteps),
        }
