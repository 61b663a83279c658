"""A thousand damaged motion files: each is read right or refused in one sentence."""

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
PATIENCE = 240
"""Seconds after which a file counts as one that hangs."""


def read_damaged(kind: str, folder: Path) -> list[str]:
    """A line of number, damage and answer for each file, read in a process of its own, and how much it grew."""
    command = [sys.executable, "-m", "tests.quick.faults.damaged_motions", kind, str(COUNTS[kind]), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    with (folder / "said").open("w+", encoding="utf-8") as said:
        done = subprocess.run(command, cwd=ROOT, stdout=said, env=environment, timeout=PATIENCE)
        said.seek(0)
        lines = said.read().splitlines()
    assert done.returncode == 0, f"it ended with {done.returncode} at {lines[-1:]}"
    return lines


@pytest.mark.parametrize("kind", COUNTS)
def test_a_damaged_file_is_read_right_or_refused_in_a_sentence(tmp_path, kind):
    *said, last = read_damaged(kind, tmp_path)
    answers, grown = [line.split(" ", 2) for line in said], int(last.removeprefix("grown "))
    wrong = [" ".join(answer) for answer in answers if answer[2].startswith("WRONG")]
    counts = Counter(answer[2] for answer in answers)
    assert len(answers) == COUNTS[kind] and not wrong, f"{len(wrong)} of {len(answers)}: {wrong[:5]}"
    assert grown < 1024, f"it grew by {grown} MiB"
    assert counts["refused"] > COUNTS[kind] / 2 and (not KINDS[kind].checked or not counts["different"])


def test_there_are_a_thousand():
    assert sum(COUNTS.values()) == 1000 and set(COUNTS) == set(KINDS)
