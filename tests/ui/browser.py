"""A real Chromium that shows the host's own frontend."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW_TO_GET_ONE = "no Chromium was found: install it (Debian: apt install chromium), and pip install playwright"
READY = "() => window.app?.graph && window.LiteGraph?.registered_node_types?.TrainMotionEmbedding"
FIRST_GRAPH = "() => window.app.graph.nodes.length"
"""The frontend opens a graph by itself, which may come late and would be put over a test's."""
COMPLAINTS = ".p-dialog:visible, .p-toast-message, .comfy-missing-nodes, .comfy-missing-models"
SETTLED = """still => {
    const media = [...document.querySelectorAll('video, img')];
    const loading = media.some(m => m.tagName === 'VIDEO' ? m.src && !m.error && m.readyState < 2 : !m.complete);
    const boxes = window.app.graph.nodes.map(node => [...node.pos, ...node.size, node.imgs?.length ?? 0]);
    const dialogs = document.querySelectorAll('.p-dialog, .p-toast-message').length;
    const shown = JSON.stringify([boxes, dialogs, media.length, document.querySelectorAll('[data-node-id]').length]);
    const before = window.motionTestsSettled;
    if (loading || before?.shown !== shown) {
        window.motionTestsSettled = {shown, since: performance.now()};
        return false;
    }
    return performance.now() - before.since >= still;
}"""
SHOTS = Path(__file__).resolve().parents[2] / "screenshots"
"""Kept to be looked at; not in git."""


def find_browser() -> str | None:
    return next((path for path in map(shutil.which, NAMES) if path), None)


@contextmanager
def open_frontend(address: str, executable: str) -> Iterator[Any]:
    """A page on which the frontend is ready."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 2000, "height": 1600})
        page.goto(address)
        page.wait_for_function(READY, timeout=120_000)
        page.wait_for_function(FIRST_GRAPH, timeout=120_000)
        yield page
        chromium.close()


def load(page: Any, graph: dict[str, Any]) -> None:
    """Load a graph in the UI's format, as opening its file does."""
    page.evaluate("graph => window.app.loadGraphData(graph)", graph)
    settle(page)


def settle(page: Any, still: float = 0.6, patience: float = 15) -> None:
    """Wait until nothing that is shown has changed for so many seconds: nodes, dialogs, and media that load.

    Dialogs open after loading has ended, and nodes grow when their videos are there.
    """
    page.evaluate("() => { delete window.motionTestsSettled; }")
    page.wait_for_function(SETTLED, arg=still * 1000, polling=100, timeout=patience * 1000)


def draw(page: Any) -> None:
    """Wait until the frontend has drawn what has just changed, and what follows from that."""
    page.evaluate(
        """() => new Promise(done =>
            requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 100))))"""
    )


def draw_by_vue(page: Any, wanted: bool) -> None:
    """Let nodes be drawn by Vue, which the frontend calls Nodes 2.0, or on the canvas."""
    page.evaluate("wanted => window.app.extensionManager.setting.set('Comfy.VueNodes.Enabled', wanted)", wanted)
    settle(page)


def always_show_advanced(page: Any, shown: bool) -> None:
    """Shows the widgets that the frontend otherwise folds away."""
    page.evaluate(
        "shown => window.app.extensionManager.setting.set('Comfy.Node.AlwaysShowAdvancedWidgets', shown)", shown
    )
    page.wait_for_timeout(500)


def run(page: Any, host: Any, steps: int | None = None, patience: float = 120) -> None:
    """Press Run and wait for its end. steps: of all nodes that have them; None: those of the graph."""
    if steps is not None:
        page.evaluate(
            """steps => window.app.graph.nodes.forEach(node => (node.widgets ?? []).forEach(widget => {
                if (widget.name === 'steps') widget.value = steps;
            }))""",
            steps,
        )
    before = host.ask("/history").keys()
    page.evaluate("async () => { await window.app.queuePrompt(0); }")
    for _ in range(round(patience / 0.2)):
        page.wait_for_timeout(200)
        new = [entry for number, entry in host.ask("/history").items() if number not in before]
        if new:
            break
    else:
        raise AssertionError(f"nothing ended in {patience} s; the frontend shows: {shown_complaints(page)}")
    assert [entry["status"]["status_str"] for entry in new] == ["success"], new[0]["status"]["messages"]
    settle(page)


def shown_complaints(page: Any) -> list[str]:
    """The texts of the dialogs and messages that the frontend shows, such as an error of a graph."""
    return page.locator(COMPLAINTS).all_inner_texts()


def pick(page: Any, node: int, widget: str, value: str) -> None:
    """Choose from a list of a node on the canvas, by mouse."""
    spot = page.evaluate(
        """([number, name]) => {
            const {graph, canvas} = window.app, node = graph.getNodeById(number);
            const box = canvas.canvas.getBoundingClientRect();
            canvas.ds.scale = 1;
            canvas.ds.offset = [300 - node.pos[0], 300 - node.pos[1]];
            canvas.draw(true, true);
            return [box.left + 300 + node.size[0] / 2, box.top + 310 + node.widgets.find(w => w.name === name).y];
        }""",
        [node, widget],
    )
    page.mouse.click(*spot)
    page.locator(".litemenu-entry", has_text=value).click()
    page.wait_for_timeout(300)


def shoot(page: Any, name: str) -> Path:
    """A picture of the whole graph, among the screenshots."""
    show_all(page)
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")
    return SHOTS / f"{name}.png"


def show_all(page: Any) -> list[float]:
    """Bring the whole graph into view. Returns its box on the screen: left, top, width, height."""
    box = page.evaluate(
        """() => {
            const {graph, canvas} = window.app, boxes = [...graph.nodes, ...graph.groups].map(n => n.getBounding?.() ??
                n.boundingRect);
            const left = Math.min(...boxes.map(b => b[0])) - 40, top = Math.min(...boxes.map(b => b[1])) - 40;
            const right = Math.max(...boxes.map(b => b[0] + b[2])) + 40;
            const bottom = Math.max(...boxes.map(b => b[1] + b[3])) + 40;
            const scale = Math.min(1850 / (right - left), 1420 / (bottom - top));
            canvas.ds.scale = scale;
            canvas.ds.offset = [90 / scale - left, 150 / scale - top]; // below the frontend's bars
            canvas.setDirty(true, true);
            const area = canvas.canvas.getBoundingClientRect();
            return [area.left + 90, area.top + 150, (right - left) * scale, (bottom - top) * scale];
        }"""
    )
    page.wait_for_timeout(700)
    return box
