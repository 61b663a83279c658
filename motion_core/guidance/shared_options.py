"""Options that the guidance methods share."""

from __future__ import annotations

from typing import Any

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
        "fast keeps everything, balanced recomputes norms and the high-resolution level, low everything. The result is "
        "the same."
    )
    return option("balanced", choices=CHECKPOINTING_MODES, about=about)


def guided_from(default: float) -> Any:
    """Declares where in sampling guidance begins."""
    return option(default, minimum=0.0, maximum=1.0, step=0.01, about="Guided from this part of sampling.", metavar="X")


def guided_up_to(default: float) -> Any:
    """Declares where in sampling guidance ends."""
    about = "Guided up to this part of sampling."
    return option(default, minimum=0.0, maximum=1.0, step=0.01, about=about, metavar="X")
