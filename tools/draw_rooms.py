"""Draws the rooms of `motion_core` and the imports between them as `docs/rooms.svg`.

`python -m tools.draw_rooms` writes the picture. Rooms and arrows are read from the imports of the source files. An
arrow that follows from others is left out. An arrow that closes a circle is red.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORE = "motion_core"
BASE = "base"
"""The room of the files that lie in the core itself."""
PIPELINE = "pipeline"
"""A file in the core itself that is a room of its own."""
FRONT = ("nodes", "benchmarks")
"""Packages beside the core that import it."""
PICTURE = ROOT / "docs" / "rooms.svg"
Arrows = Mapping[str, set[str]]
Arrow = tuple[str, str]
Point = tuple[float, float]

BOX_HEIGHT, LETTER, PADDING, GAP, ROW = 30, 7.6, 14, 26, 74
SWEEPS = 12
"""How often the order within the rows is improved."""


def find_arrows() -> dict[str, set[str]]:
    """Returns room -> the rooms that it imports."""
    arrows: dict[str, set[str]] = {}
    for package in (CORE, *FRONT):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            room = find_room(parts)
            if room:
                found = {find_room(target) for target in find_imports(path, parts)}
                arrows.setdefault(room, set()).update(found - {room, ""})
    return arrows


def find_room(parts: tuple[str, ...]) -> str:
    """Returns the room that a module belongs to, or nothing for a module that is in none."""
    if parts[:1] != (CORE,):
        return parts[0] if parts and parts[0] in FRONT else ""
    if len(parts) < 2 or parts[1].startswith("__"):
        return ""
    return parts[1] if parts[1] == PIPELINE or (ROOT / CORE / parts[1]).is_dir() else BASE


def find_imports(path: Path, parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yields the modules that a file imports, each as the parts of its name from the root."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = parts[: len(parts) - node.level] if node.level else ()
            module = (*home, *(node.module or "").split(".")) if node.module else home
            # in `from . import x`, x may be a module
            yield from ((*module, alias.name) for alias in node.names)


def split_circles(arrows: Arrows) -> tuple[dict[str, set[str]], list[Arrow]]:
    """Returns the arrows without those that close a circle, and those that do."""
    forward: dict[str, set[str]] = {room: set() for room in arrows}
    backward: list[Arrow] = []
    open_rooms: list[str] = []
    done: set[str] = set()

    def visit(room: str) -> None:
        open_rooms.append(room)
        for target in sorted(arrows[room]):
            if target in open_rooms:
                backward.append((room, target))
                continue
            forward[room].add(target)
            if target not in done:
                visit(target)
        done.add(open_rooms.pop())

    for room in sorted(arrows):
        if room not in done:
            visit(room)
    return forward, backward


def reduce_arrows(arrows: Arrows) -> dict[str, set[str]]:
    """Leaves out each arrow that follows from others (transitive reduction of a graph without circles)."""
    below = {room: find_below(room, arrows) for room in arrows}
    return {room: {t for t in ts if not any(t in below[other] for other in ts - {t})} for room, ts in arrows.items()}


def find_below(room: str, arrows: Arrows) -> set[str]:
    """Returns all rooms that can be reached from one."""
    return arrows[room].union(*(find_below(target, arrows) for target in arrows[room]))


def find_rows(arrows: Arrows) -> dict[str, int]:
    """Returns the row of each room: 0 for one that imports nothing, else one above the highest that it imports."""
    rows: dict[str, int] = {}

    def row(room: str) -> int:
        if room not in rows:
            rows[room] = 1 + max((row(target) for target in arrows[room]), default=-1)
        return rows[room]

    for room in arrows:
        row(room)
    return rows


def place(arrows: Arrows) -> tuple[dict[str, Point], dict[Arrow, list[str]]]:
    """Returns where each room and each bend of an arrow lies, and the stations of each arrow (Sugiyama et al. 1981)."""
    rows = find_rows(arrows)
    lines: list[list[str]] = [[] for _ in range(1 + max(rows.values()))]
    for room in sorted(rows):
        lines[rows[room]].append(room)
    paths = {}
    for room, target in sorted((room, target) for room, targets in arrows.items() for target in targets):
        bends = [f"{room}>{target}>{row}" for row in range(rows[room] - 1, rows[target], -1)]
        for bend in bends:
            lines[int(bend.rpartition(">")[2])].append(bend)
        paths[room, target] = [room, *bends, target]
    order_lines(lines, [pair for path in paths.values() for pair in pairwise(path)])
    return {name: point for number, line in enumerate(lines) for name, point in spread(line, number, lines)}, paths


def order_lines(lines: list[list[str]], links: list[Arrow]) -> None:
    """Sorts each line by the mean place of its neighbours, so that few arrows cross."""
    near: dict[str, list[str]] = {}
    for upper, lower in links:
        near.setdefault(upper, []).append(lower)
        near.setdefault(lower, []).append(upper)
    for sweep in range(SWEEPS):
        for line in lines if sweep % 2 else reversed(lines):
            places = {name: (i + 0.5) / len(each) for each in lines for i, name in enumerate(each)}
            line.sort(key=lambda name: sum(places[n] for n in near.get(name, [name])) / len(near.get(name, [name])))


def spread(line: list[str], number: int, lines: list[list[str]]) -> Iterator[tuple[str, Point]]:
    """Yields each name of a line with the middle of its box, the line centred in the picture."""
    x = (find_width(lines) - measure(line)) / 2
    for name in line:
        width = width_of(name)
        yield name, (x + width / 2, (len(lines) - 1 - number) * ROW + GAP + BOX_HEIGHT / 2)
        x += width + GAP


def width_of(name: str) -> float:
    """Returns the width of a room's box; a bend has none."""
    return 0 if ">" in name else len(name) * LETTER + 2 * PADDING


def measure(line: list[str]) -> float:
    return sum(width_of(name) + GAP for name in line) - GAP


def find_width(lines: list[list[str]]) -> float:
    return max(measure(line) for line in lines) + 2 * GAP


def draw(arrows: Arrows) -> str:
    """Returns the picture as SVG."""
    forward, backward = split_circles(arrows)
    points, paths = place(reduce_arrows(forward))
    width = max(x + width_of(name) / 2 for name, (x, _) in points.items()) + GAP
    height = max(y for _, y in points.values()) + BOX_HEIGHT / 2 + GAP
    curves = [draw_curve([points[name] for name in path]) for path in paths.values()]
    curves += [draw_curve([points[name] for name in arrow], "circle") for arrow in backward]
    boxes = [draw_box(name, *point) for name, point in points.items() if ">" not in name]
    return "\n".join((HEAD.format(width=round(width), height=round(height)), *curves, *boxes, "</svg>", ""))


HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">
<style>
rect {{ fill: #eef3fa; stroke: #3b5b8c; }} .front rect {{ fill: #fdf3e3; stroke: #a5741b; }}
text {{ font: 13px monospace; fill: #1b2738; text-anchor: middle; dominant-baseline: central; }}
path {{ fill: none; stroke: #7d8ba1; stroke-width: 1.2; marker-end: url(#tip); }} .circle {{ stroke: #c0392b; }}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 L8 4 L0 8 z" style="fill: #7d8ba1; stroke: none; marker-end: none"/></marker></defs>
<rect width="100%" height="100%" style="fill: white; stroke: none"/>"""


def draw_curve(points: list[Point], kind: str = "arrow") -> str:
    """Returns an arrow through some points, from the bottom of the first box to the top of the last."""
    down = 1 if points[-1][1] > points[0][1] else -1
    (x, y), (end_x, end_y) = points[0], points[-1]
    stations = [(x, y + down * BOX_HEIGHT / 2), *points[1:-1], (end_x, end_y - down * BOX_HEIGHT / 2)]
    curve = f"M{stations[0][0]:.0f} {stations[0][1]:.0f}"
    for (x, y), (next_x, next_y) in pairwise(stations):
        half = (y + next_y) / 2
        curve += f" C{x:.0f} {half:.0f} {next_x:.0f} {half:.0f} {next_x:.0f} {next_y:.0f}"
    return f'<path class="{kind}" d="{curve}"/>'


def draw_box(name: str, x: float, y: float) -> str:
    width = width_of(name)
    left, top = x - width / 2, y - BOX_HEIGHT / 2
    return (
        f'<g class="{"front" if name in FRONT else "core"}">'
        f'<rect x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{BOX_HEIGHT}" rx="5"/>'
        f'<text x="{x:.0f}" y="{y:.0f}">{name}</text></g>'
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(find_arrows()), encoding="utf-8", newline="\n")
    print(f"wrote {PICTURE}")
