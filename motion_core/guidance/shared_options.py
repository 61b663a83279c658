"""Options that the guidance methods share."""

from __future__ import annotations

import math
from typing import Any, Protocol

from ..errors import OptionError
from ..memory.checkpointing import CHECKPOINTING_MODES
from ..options import option

BLOCKS = tuple(f"up_blocks.{number}" for number in range(4))


def guidance_block() -> Any:
    """Declares the block whose features or attention are compared."""
    about = "The part of the model that is compared: up_blocks.0 is coarse, up_blocks.3 fine."
    return option("up_blocks.1", choices=BLOCKS, about=about, metavar="NAME")


def guidance_memory() -> Any:
    """Declares the memory mode of the gradients."""
    about = (
        "fast keeps everything, balanced recomputes normalisation layers and the high-resolution level, low "
        "everything. The result is the same."
    )
    return option("balanced", choices=CHECKPOINTING_MODES, about=about)


def guided_from(default: float) -> Any:
    """Declares where in sampling guidance begins."""
    return option(default, minimum=0.0, maximum=1.0, step=0.01, about="Guided from this part of sampling.", metavar="X")


def guided_up_to(default: float) -> Any:
    """Declares where in sampling guidance ends."""
    about = "Guided up to this part of sampling."
    return option(default, minimum=0.0, maximum=1.0, step=0.01, about=about, metavar="X")


def steps_of_optimisation(default: int) -> Any:
    """Declares how often Adam moves the latents at each guided step."""
    about = "For dmt and dit_flow: optimisation steps at each guided step."
    return option(default, minimum=1, maximum=1000, about=about, metavar="N")


def starting_rate(default: float) -> Any:
    """Declares Adam's rate at the first guided step."""
    about = "For dmt and dit_flow: the rate at the first guided step."
    return option(default, minimum=1e-7, maximum=10.0, about=about, metavar="X")


def ending_rate(default: float) -> Any:
    """Declares Adam's rate at the last guided step."""
    about = "For dmt and dit_flow: the rate at the last guided step."
    return option(default, minimum=1e-7, maximum=10.0, about=about, metavar="X")


class Optimising(Protocol):
    """Settings of a method that optimises latents."""

    @property
    def optimisation_steps(self) -> int: ...

    @property
    def learning_rate(self) -> float: ...

    @property
    def last_learning_rate(self) -> float: ...

    @property
    def memory(self) -> str: ...


def check_learning_rates(config: Optimising) -> None:
    """Raises OptionError for steps or rates out of bounds."""
    if not 0 <= config.optimisation_steps <= 1000:
        raise OptionError(
            f"optimisation_steps is {config.optimisation_steps}; choose 0 (off) to 1000 (5 to 10 are usual)"
        )
    for name in ("learning_rate", "last_learning_rate"):
        if not (math.isfinite(getattr(config, name)) and 0 < getattr(config, name) <= 10):
            raise OptionError(f"{name} is {getattr(config, name)}; choose above 0 and up to 10 (0.007 is usual)")


def fade(config: Optimising, number: int, count: int) -> float:
    """Returns the learning rate at a guided step, 0-based, of so many."""
    share = number / max(count - 1, 1)
    return config.learning_rate + share * (config.last_learning_rate - config.learning_rate)
