"""Runs jobs on workers of Ray, on this machine or a cluster. A lost worker's jobs run again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelError
from .jobs import EvaluationJob, JobRunner
from .result import Result
from .suite import Suite

RETRIES = 3
"""How often a job runs again whose worker was lost."""
_PACKAGE = Path(__file__).parents[1]


def work_on_ray(
    suite: Suite,
    folder: Path,
    jobs: Sequence[EvaluationJob],
    *,
    done: frozenset[str],
    workers: int,
    address: str = "",
) -> Iterator[list[Result]]:
    """Yields the results of whole cells as they come. workers: on this machine; address: of a cluster.

    No usage statistics are sent. Raises ModelError where Ray is not installed, MotionError as the jobs do.
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
        raise failed.cause from failed  # the error of the worker
    finally:
        ray.shutdown()


def run_job(suite: Suite, folder: str, job: EvaluationJob, done: frozenset[str], threads: int) -> list[list[Result]]:
    """Runs a whole job, in a worker."""
    torch.set_num_threads(threads)
    runner = _open_runner(_Suite(suite), folder)
    return list(runner.run(job, done))


class _Suite:
    """A suite that `lru_cache` can hash."""

    def __init__(self, suite: Suite):
        self.suite, self.key = suite, repr(suite)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Suite) and self.key == other.key


@lru_cache(maxsize=1)
def _open_runner(suite: _Suite, folder: str) -> JobRunner:
    return JobRunner(suite.suite, Path(folder))
