"""Writes results as a Markdown table: a row for each method, mean and spread of each score."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median, stdev

import torch

from .lines import describe_line, measure_gain, measure_line
from .result import Result
from .suite import Suite

LEAKAGE = "leakage"
"""Likeness to the reference beyond that of the suite's control."""


def write_table(suite: Suite, columns: Mapping[str, str], results: Sequence[Result]) -> str:
    """Writes the table of the scores, and below it one of what each method cost."""
    rows = {method.name: [result for result in results if result.method == method.name] for method in suite.methods}
    if suite.control and "likeness" in columns:
        columns = {**columns, LEAKAGE: "leakage"}
    lines = [f"# {suite.name}", "", *([suite.about.strip(), ""] if suite.about else []), describe(results), ""]
    if suite.tuned_on:
        lines += [f"Numbers were chosen on {', '.join(suite.tuned_on)}.", ""]
    over = {method.name: method.over for method in suite.methods}
    gains = {name: measure_gain(made, rows[over[name]]) for name, made in rows.items() if over[name]}
    lines += _draw(["method", *columns.values(), *(["gain over", "by (standard error)"] if gains else [])], [
        [name, *(format_score(score_values(suite, made, score, results), suite.published.get(name, {}).get(score))
                 for score in columns), *([over[name] or "-", str(gains.get(name) or "-")] if gains else [])]
        for name, made in rows.items()
    ])  # fmt: skip
    if suite.published:
        lines += ["", "In square brackets: the published figure."]
    if any(method.lines for method in suite.methods):
        lines += ["", "Lines to reach:", "", *_draw_lines(suite, columns, rows)]
    lines += ["", "What it took, medians:", ""]
    lines += _draw(
        ["method", "seconds to learn", "MiB at most while learning", "seconds to sample a clip"],
        [[name, *format_cost(made)] for name, made in rows.items()],
    )
    return "\n".join(lines) + "\n"


def _draw_lines(suite: Suite, columns: Mapping[str, str], rows: Mapping[str, Sequence[Result]]) -> list[str]:
    """Draws each line that a method is to reach, and whether it does."""
    cells = []
    for method in suite.methods:
        for what, line in method.lines.items():
            found = measure_line(what, line, rows[method.name], rows.get(method.over, []))
            measured, reached = found if found else ("-", False)
            wanted = describe_line(what, line, method.over, columns)
            cells.append([method.name, wanted, measured, "yes" if reached else "no" if found else "-"])
    return _draw(["method", "line", "measured", "reached"], cells)


def score_values(suite: Suite, made: Sequence[Result], score: str, results: Sequence[Result]) -> list[float]:
    """Returns the values of a score. Leakage is against the control under the same clip, prompt and noise."""
    if score != LEAKAGE:
        return [result.scores[score] for result in made if score in result.scores]
    control = {(r.clip, r.take): r.scores["likeness"] for r in results if r.method == suite.control}
    pairs = [(result, control.get((result.clip, result.take))) for result in made]
    return [result.scores["likeness"] - base for result, base in pairs if base is not None]


def format_score(values: Sequence[float], published: float | None = None) -> str:
    """Formats the mean and, in brackets, the standard deviation."""
    suffix = "" if published is None else f" [{published:g}]"
    if not values:
        return "-" + suffix
    return f"{mean(values):.2f} ({stdev(values) if len(values) > 1 else 0.0:.2f}){suffix}"


def format_cost(made: Sequence[Result]) -> list[str]:
    def middle(values: Sequence[float]) -> str:
        return f"{median(values):.0f}" if values else "-"

    learnt = [result.learnt for result in made if result.learnt]
    peaks = [each["peak"] for each in learnt if each["peak"]]
    seconds = [result.seconds for result in made]
    return [middle([each["seconds"] for each in learnt]), middle(peaks), f"{median(seconds):.1f}" if seconds else "-"]


def describe(results: Sequence[Result]) -> str:
    """Describes how many results there are, where and when they were made, and whether by the same code."""
    clips, takes = len({result.clip for result in results}), len({(result.clip, result.take) for result in results})
    days = sorted({result.date for result in results})
    when = "" if not days else f", {days[0]}" if len(days) == 1 else f", {days[0]} to {days[-1]}"
    states = len({result.code for result in results})
    mixed = f" Made by {states} states of the code; without results.jsonl and learnt all is made anew."
    return (
        f"{clips} reference clips, {takes} new clips a method; {describe_machine()}{when}.{mixed if states > 1 else ''}"
    )


def describe_machine() -> str:
    """Describes this machine, as far as speed depends on it."""
    if torch.cuda.is_available():
        where = torch.cuda.get_device_name()
    else:
        gpu = "its GPU (MPS)" if torch.backends.mps.is_available() else "no GPU"
        where = f"{_find_processor()}, {torch.get_num_threads()} threads, {gpu}"
    return f"{where}, torch {torch.__version__.partition('+')[0]}"


def _find_processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _draw(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)]
