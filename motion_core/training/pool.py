"""A fixed set of draws that learning takes all its steps from, so that what comes before the first trained site is
computed once for each of them and kept (`motion_core.prefix`), exactly.

A finite pool is not the same as ever new noise: what it does to the result is measured, see the README.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from ..diffusion.noise_samples import Draw, Draws
from ..errors import MemoryShortage
from ..memory.modes import find_free_main
from .prefix import Prefix, State

AUTO = -1
"""As many draws as memory holds, but none that would be seen less often than `VISITS` times."""
VISITS = 4
SHARE = 0.8
"""Of the memory that learning leaves free."""


@dataclass(eq=False)
class Pool:
    """Draws and the states kept of them. They come in turns, each turn in another order."""

    draws: Sequence[Draw]
    prefix: Prefix
    generator: torch.Generator
    order: list[int] = field(default_factory=list)
    states: dict[int, State] = field(default_factory=dict)

    def draw(self) -> Draw:
        """The next draw; forwards are then of its clip until the next one."""
        if not self.order:
            self.order = torch.randperm(len(self.draws), generator=self.generator).tolist()
        draw = self.draws[self.order.pop()]
        assert draw.number is not None
        self.prefix.state = self.states.setdefault(draw.number, {})
        return draw


def make_pool(wanted: int, steps: int, draws: Draws, prefix: Prefix, device: torch.device, room: int | None) -> Pool:
    """wanted: how many draws, or AUTO; room: bytes that learning leaves free on the device, None: not known.

    States stay on the device if they fit there, else in main memory. Raises MemoryShortage when they fit nowhere.
    """
    rooms = {device: room}
    if device.type != "cpu":
        rooms[torch.device("cpu")] = find_free_main()
    fits = {home: steps if room is None else int(SHARE * room) // max(1, prefix.size) for home, room in rooms.items()}
    useful = max(1, steps // VISITS)
    count = min(useful, max(fits.values())) if wanted == AUTO else min(wanted, steps)
    home = next((home for home, most in fits.items() if most >= count), None)
    if home is None or count < 1:
        raise MemoryShortage(
            f"a pool of {max(count, 1)} takes {max(count, 1) * prefix.size / 2**30:.1f} GiB, which are not free; "
            f"set pool to at most {max(fits.values())}"
        )
    prefix.home = home
    return Pool(draws.draw_spread(count), prefix, draws.generator)
