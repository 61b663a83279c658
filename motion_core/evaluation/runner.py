"""Runs a suite, in this process or on workers of Ray."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from ..atomic_write import write_whole
from ..errors import OptionError
from .contact_sheets import write_sheets
from .jobs import JobRunner, check_needs
from .result import Result
from .results import Results
from .suite import Suite
from .table import write_table


def evaluate(suite: Suite, folder: Path, *, workers: int = 0, address: str = "", device: str | None = None) -> str:
    """Runs what is missing of a suite, writes `results.jsonl`, `table.md` and `sheets`, and returns the table.

    workers: processes of Ray on this machine (0: none, all runs here); address: of a Ray cluster.
    Raises MotionError; what was done until then is kept, and found again.
    """
    if not 0 <= workers <= 1024:
        raise OptionError(f"workers is {workers}; choose 0 (no Ray) to 1024")
    runner = JobRunner(suite, folder, device)
    check_needs(runner)
    kept = Results(folder)
    takes = {key: len(batch) for job in runner.jobs for key, _, batch in runner.cells(job)}
    done = frozenset(result.key for result in kept.read(takes))
    if workers or address:
        from .ray_workers import work_on_ray

        cells = work_on_ray(suite, folder, runner.jobs, done=done, workers=workers, address=address)
    else:
        cells = work_here(runner, done)
    with tqdm(total=sum(takes.values()), initial=sum(takes[key] for key in done), desc=suite.name, unit="clip") as bar:
        for cell in cells:
            kept.add(cell)
            bar.update(len(cell))
    results = _named(runner, kept.read(takes))
    table = write_table(suite, runner.material.columns, results)
    write_whole(folder / "table.md", table.encode())
    write_sheets(suite, runner.material, kept, results)
    return table


def _named(runner: JobRunner, results: Sequence[Result]) -> list[Result]:
    """Returns results under the names that their methods have now, since a cell's key does not hold the name."""
    names: dict[str, list[str]] = {}
    for job in runner.jobs:
        for key, method, _ in runner.cells(job):
            names.setdefault(key, []).append(method.name)
    return [replace(result, method=name) for result in results for name in names[result.key]]


def work_here(runner: JobRunner, done: frozenset[str]) -> Iterator[list[Result]]:
    for job in runner.jobs:
        yield from runner.run(job, done)
