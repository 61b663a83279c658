"""The results of an evaluation: a JSON line each, in a file that survives being cut off anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..atomic_write import write_whole
from .result import Result


@dataclass(frozen=True)
class Results:
    """A folder: `results.jsonl`, and the strips of contact sheets."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "results.jsonl"

    def add(self, cell: Sequence[Result]) -> None:
        """Keeps the results of a whole cell: all of them are found again, or none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for result in cell:
            if result.strip:
                self._keep_strip(result)
        lines = "".join(json.dumps({**asdict(result), "strip": ""}) + "\n" for result in cell)
        torn = self._torn()
        with self.path.open("ab") as file:
            file.truncate(file.tell() - torn)
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())

    def read(self, takes: dict[str, int]) -> list[Result]:
        """Returns the results of the cells in `takes` (key -> how many results it has) that are complete."""
        found: dict[tuple[str, int], Result] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []:
            try:
                result = Result(**{**json.loads(line), "strip": b""})
            except (ValueError, TypeError):  # a line that was cut off, or another version's
                continue
            if result.key in takes:
                found[result.key, result.take] = result
        counts: dict[str, int] = {}
        for key, _ in found:
            counts[key] = counts.get(key, 0) + 1
        return [result for (key, _), result in sorted(found.items()) if counts[key] == takes[key]]

    def strip(self, key: str) -> Path:
        return self.folder / "strips" / f"{key}.png"

    def _keep_strip(self, result: Result) -> None:
        path = self.strip(result.key)
        path.parent.mkdir(exist_ok=True)
        write_whole(path, result.strip)

    def _torn(self) -> int:
        """Returns how many bytes at the end of the file are no whole line."""
        if not self.path.exists():
            return 0
        kept = self.path.read_bytes()
        return len(kept) - (kept.rfind(b"\n") + 1)
