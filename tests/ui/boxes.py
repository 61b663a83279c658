"""Where nodes and groups of the graph on a page are, in the graph's own coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Box:
    name: str
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box, gap: float = 0.0) -> bool:
        """Whether less than `gap` lies between the two."""
        across = self.left < other.right + gap and other.left < self.right + gap
        return across and self.top < other.bottom + gap and other.top < self.bottom + gap

    def holds(self, other: Box) -> bool:
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom


def find_nodes(page: Any) -> dict[int, Box]:
    """By id: a node with its title, and what the renderer in use puts below it."""
    found = page.evaluate(
        """() => {
            const {graph, canvas} = window.app, {scale, offset} = canvas.ds;
            return graph.nodes.map(node => {
                const own = node.getBounding();
                const boxes = [[own[0], own[1], own[0] + own[2], own[1] + own[3]]];
                const frame = canvas.canvas.getBoundingClientRect();
                for (const element of document.querySelectorAll(`[data-node-id="${node.id}"]`)) {
                    const {left, top, right, bottom} = element.getBoundingClientRect();
                    boxes.push([left - frame.left, top - frame.top, right - frame.left, bottom - frame.top]
                        .map((side, number) => side / scale - offset[number % 2]));
                }
                const title = `${node.id} ${node.type}`;
                const side = (pick, number) => pick(...boxes.map(box => box[number]));
                const most = [side(Math.min, 0), side(Math.min, 1), side(Math.max, 2), side(Math.max, 3)];
                return [Number(node.id), title, ...most];
            });
        }"""
    )
    return {number: Box(*rest) for number, *rest in found}


def find_groups(page: Any) -> list[Box]:
    found = page.evaluate("() => window.app.graph.groups.map(g => [g.title, ...g._bounding])")
    return [Box(title, left, top, left + width, top + height) for title, left, top, width, height in found]
