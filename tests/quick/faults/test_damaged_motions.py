"""A thousand damaged motion files: each is read correctly or refused in one sentence."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.quick.faults.damaged_motions import KINDS

ROOT = Path(__file__).resolve().parents[3]
COUNTS = {
    "embedding": 250, "adapter": 200, "without_digest": 100, "official": 150, "motion_lora": 100,
    "pickled_motion_lora": 100, "repacked_official": 100,
}  # fmt: skip
TIMEOUT = 240
"""Seconds after which a reader counts as hanging."""


def read_damaged(kind: str, folder: Path) -> list[str]:
    """Lines of number, damage and outcome for each file, and the growth of the process that reads them."""
    command = [sys.executable, "-m", "tests.quick.faults.damaged_motions", kind, str(COUNTS[kind]), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    with (folder / "output").open("w+", encoding="utf-8") as output:
        done = subprocess.run(command, cwd=ROOT, stdout=output, env=environment, timeout=TIMEOUT)
        output.seek(0)
        lines = output.read().splitlines()
    assert done.returncode == 0, f"it ended with {done.returncode} at {lines[-1:]}"
    return lines


@pytest.mark.parametrize("kind", COUNTS)
def test_damaged_motion_files_are_read_correctly_or_refused_in_one_sentence(tmp_path, kind):
    *outcomes, last = read_damaged(kind, tmp_path)
    answers, grown = [line.split(" ", 2) for line in outcomes], int(last.removeprefix("grown "))
    wrong = [" ".join(answer) for answer in answers if answer[2].startswith("WRONG")]
    counts = Counter(answer[2] for answer in answers)
    assert len(answers) == COUNTS[kind] and not wrong, f"{len(wrong)} of {len(answers)}: {wrong[:5]}"
    assert grown < 1024, f"it grew by {grown} MiB"
    assert counts["refused"] > COUNTS[kind] / 2 and (not KINDS[kind].checked or not counts["different"])


def test_every_kind_is_damaged_and_the_copies_are_a_thousand():
    assert sum(COUNTS.values()) == 1000 and set(COUNTS) == set(KINDS)
