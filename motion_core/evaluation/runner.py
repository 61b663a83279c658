"""Runs a suite: here, or on the workers of Ray when it outgrows one process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from ..atomic_write import write_whole
from ..errors import OptionError
from .contact_sheets import write_sheets
from .jobs import Bench, Result, check_needs
from .results import Results
from .suite import Suite
from .table import write_table


def evaluate(suite: Suite, folder: Path, workers: int = 0, address: str = "", device: str | None = None) -> str:
    """Do what is not yet done of a suite, and write `results.jsonl`, `table.md` and `sheets` into the folder.

    workers: processes of Ray on this machine (0: none, all is done here); address: of a Ray cluster. Gives the table.
    Raises MotionError; what was done until then is kept, and found again.
    """
    if not 0 <= workers <= 1024:
        raise OptionError(f"workers is {workers}; choose 0 (no Ray) to 1024")
    bench = Bench(suite, folder, device)
    check_needs(suite, bench.material)
    kept = Results(folder)
    takes = {key: len(batch) for job in bench.jobs for key, _, batch in bench.cells(job)}
    done = frozenset(result.key for result in kept.read(takes))
    if workers or address:
        from .ray_workers import work_on_ray

        cells = work_on_ray(suite, folder, bench.jobs, done, workers, address)
    else:
        cells = work_here(bench, done)
    with tqdm(total=sum(takes.values()), initial=sum(takes[key] for key in done), desc=suite.name, unit="clip") as bar:
        for cell in cells:
            kept.add(cell)
            bar.update(len(cell))
    results = _named(bench, kept.read(takes))
    table = write_table(suite, bench.material.columns, results)
    write_whole(folder / "table.md", table.encode())
    write_sheets(suite, bench.material, kept, results)
    return table


def _named(bench: Bench, results: Sequence[Result]) -> list[Result]:
    """Results under the names that their methods have now: a cell is known by what it does."""
    names: dict[str, list[str]] = {}
    for job in bench.jobs:
        for key, method, _ in bench.cells(job):
            names.setdefault(key, []).append(method.name)
    return [replace(result, method=name) for result in results for name in names[result.key]]


def work_here(bench: Bench, done: frozenset[str]) -> Iterator[list[Result]]:
    for job in bench.jobs:
        yield from bench.run(job, done)
