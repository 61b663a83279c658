"""A run that is cancelled, interrupted or out of memory at any step leaves the model and torch as they were."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from typing import Any

import pytest

from motion_core.diffusion.denoiser import Denoiser
from motion_core.errors import MemoryShortage
from motion_core.memory import modes as memory
from tests.slow.faults.breaking import BACKWARD, FAULTS, Breaking, Fault
from tests.slow.faults.runs import GUIDED, RUNS, TRAINING
from tests.slow.faults.states import digest, find_changes, take_state

FAMILIES = ("zeroscope", "animatediff")


def list_cases() -> Iterator[Any]:
    """Each run with the faults that can strike there: cancelling, and by turns two or three of the others. Families
    take turns too.
    """
    numbers = count()
    for turn, run in enumerate(RUNS):
        possible = [fault for fault in FAULTS if run in TRAINING | GUIDED or fault.place != BACKWARD]
        for fault in [possible[0], *(possible[1 + turn % 2 :: 2] if len(possible) > 3 else possible[1:])]:
            family = FAMILIES[next(numbers) % 2]
            yield pytest.param(run, fault, family, id=f"{run}, {fault.name}, {family}")


@pytest.fixture(scope="module", autouse=True)
def lowest_as_on_a_gpu():
    """`lowest` keeps weights in 8 bits, as it does on a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "saves_memory", lambda device: True)
        yield


@pytest.fixture(scope="module")
def denoisers(denoiser, motion_denoiser) -> dict[str, Denoiser]:
    return dict(zip(FAMILIES, (denoiser, motion_denoiser), strict=True))


@pytest.fixture(scope="module")
def undisturbed(denoisers) -> Callable[[str, str], tuple[list[str], Breaking]]:
    """Returns what a run makes on a model on which nothing ever went wrong, and counts its operators and updates."""
    untouched = copy.deepcopy(denoisers)

    @cache
    def run(name: str, family: str) -> tuple[list[str], Breaking]:
        with Breaking() as counting:
            made = RUNS[name](untouched[family], counting.update)
        return [digest(tensor) for tensor in made], counting

    return run


@pytest.mark.parametrize("name, fault, family", list_cases())
def test_a_fault_at_any_step_leaves_everything_as_it_was(denoisers, undisturbed, name, fault, family):
    denoiser, (expected, counted) = denoisers[family], undisturbed(name, family)
    number = random.Random(f"{name} {fault.name}").randint(1, counted.seen[fault.place])
    before = take_state(denoiser.module)
    with pytest.raises(_expected_error(name, fault)), Breaking(fault, number) as breaking:
        RUNS[name](denoiser, breaking.update)
    assert find_changes(before, take_state(denoiser.module)) == []
    again = RUNS[name](denoiser, lambda *_: None)
    assert [digest(tensor) for tensor in again] == expected
    assert find_changes(before, take_state(denoiser.module)) == []


def _expected_error(name: str, fault: Fault) -> type[BaseException]:
    """Training explains a shortage of memory in a sentence; every other run raises the error itself."""
    short = fault.lasting and name in TRAINING
    return MemoryShortage if short else type(fault.make())
