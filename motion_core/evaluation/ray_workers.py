"""The same work on Ray: any number of workers, on this machine or a cluster; a lost worker's jobs are done again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelError
from .jobs import Bench, Job, Result
from .suite import Suite

RETRIES = 3
"""How often a job is done again whose worker was lost."""
_PACKAGE = Path(__file__).parents[1]


def work_on_ray(
    suite: Suite, folder: Path, jobs: Sequence[Job], done: frozenset[str], workers: int, address: str = ""
) -> Iterator[list[Result]]:
    """The results of whole cells, in the order in which they come. workers: on this machine; address: of a cluster.

    Nothing is sent to Ray's makers. Raises ModelError where Ray is not installed, MotionError as the jobs do.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as reason:
        raise ModelError("Ray is not installed; pip install 'ray', or evaluate without workers") from reason
    if address:
        ray.init(address=address, runtime_env={"py_modules": [str(_PACKAGE)]}, log_to_driver=False)
    else:
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    try:
        gpus = 1 if ray.cluster_resources().get("GPU") else 0
        task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)(run_job)
        threads = max(1, torch.get_num_threads() // max(workers, 1))
        pending = [task.remote(suite, str(folder.absolute()), job, done, threads) for job in jobs]
        while pending:
            ready, pending = ray.wait(pending)
            for cells in ray.get(ready):
                yield from cells
    except ray.exceptions.RayTaskError as failed:
        raise failed.cause from failed  # what went wrong over there, in its own words
    finally:
        ray.shutdown()


def run_job(suite: Suite, folder: str, job: Job, done: frozenset[str], threads: int) -> list[list[Result]]:
    """What a worker does: a job, whole."""
    torch.set_num_threads(threads)
    bench = _open_bench(_Suite(suite), folder)
    return list(bench.run(job, done))


class _Suite:
    """A suite that `lru_cache` can tell from others."""

    def __init__(self, suite: Suite):
        self.suite, self.told = suite, repr(suite)

    def __hash__(self) -> int:
        return hash(self.told)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Suite) and self.told == other.told


@lru_cache(maxsize=1)
def _open_bench(suite: _Suite, folder: str) -> Bench:
    return Bench(suite.suite, Path(folder))
