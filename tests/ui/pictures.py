"""Makes the pictures of the shared graphs: each after a run at its own steps, and below it frames of what it saved.

`python -m tests.ui.pictures 60_vmc 64_dmt` writes workflows/60_vmc.jpg and workflows/64_dmt.jpg. Graphs for models that
small files stand in for are pictured as they open: `python -m tests.ui.pictures --as-they-open 30_camera_motion`.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from motion_core.atomic_write import write_whole
from motion_core.starter.folder import CLIP_FOLDER
from motion_core.video.pictures.pixels import to_image
from motion_core.video.reading import Clip, read_clip
from tests.host.live_host import PACK
from tests.ui import browser
from tests.ui.layout import open_pages

WIDTH, COLUMNS, ROWS, GAP = 1100, 3, 2, 4
GROUND = (24, 24, 28)
PATIENCE = 1800
"""Seconds that a graph may take."""
QUALITY = 80
OVERLAYS = ("Comfy.Minimap.Visible", "Comfy.Graph.CanvasMenu", "Comfy.Graph.CanvasInfo")
CLIP_NAMES = """() => window.app.graph.nodes.filter(node => node.type === 'LoadReferenceVideo')
    .map(node => node.widgets.find(widget => widget.name === 'video').value)"""


def picture_graph(page: Any) -> Image.Image:
    """Returns a picture of the graph that is open, and of nothing around it."""
    left, top, width, height = browser.show_all(page)
    page.evaluate("() => document.querySelectorAll('.p-toast').forEach(toast => toast.remove())")
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return shot.crop((round(left), round(top), round(left + width), round(top + height)))


def find_saved(folder: Path, since: float) -> Path:
    """Returns the video that was saved last."""
    videos = [path for path in folder.rglob("*") if path.suffix in (".webm", ".mp4") and path.stat().st_mtime >= since]
    return max(videos, key=lambda path: path.stat().st_mtime)


def arrange(saved: Clip, reference: Clip) -> list[list[Tensor]]:
    """Returns rows of frames (H, W, 3), evenly spaced in time: of a comparison, or of a result below its reference."""
    first = saved.frames[0]
    if first.shape[1] > first.shape[0]:
        frames = pick_frames(saved, ROWS * COLUMNS)
        return [frames[row * COLUMNS : (row + 1) * COLUMNS] for row in range(ROWS)]
    return [pick_frames(clip, ROWS * COLUMNS) for clip in (reference, saved)]


def pick_frames(clip: Clip, count: int) -> list[Tensor]:
    return [clip.frames[round(number * (len(clip.frames) - 1) / (count - 1))] for number in range(count)]


def put_below(graph: Image.Image, rows: list[list[Tensor]]) -> Image.Image:
    """Returns the picture of a graph with rows of frames below it."""
    width = (WIDTH - (len(rows[0]) - 1) * GAP) // len(rows[0])
    height = round(width * rows[0][0].shape[0] / rows[0][0].shape[1])
    top = round(graph.height * WIDTH / graph.width)
    picture = Image.new("RGB", (WIDTH, top + len(rows) * (height + GAP)), GROUND)
    picture.paste(graph.resize((WIDTH, top), Image.Resampling.LANCZOS), (0, 0))
    for down, row in enumerate(rows):
        for across, frame in enumerate(row):
            resized = to_image(frame).resize((width, height), Image.Resampling.LANCZOS)
            picture.paste(resized, (across * (width + GAP), top + GAP + down * (height + GAP)))
    return picture


def picture_a_run(page: Any, host: Any) -> Image.Image:
    """Runs the graph that is open, on a clip of the pack. Returns its picture with frames of what it saved."""
    names = page.evaluate(CLIP_NAMES)
    began = time.time()
    browser.run(page, host, patience=PATIENCE)
    print(f"{time.time() - began:.0f} s", flush=True)
    saved = read_clip(find_saved(host.work / "output", began))
    reference = read_clip(CLIP_FOLDER / names[0].removeprefix("example: "))
    return put_below(picture_graph(page), arrange(saved, reference))


def picture_as_opened(page: Any) -> Image.Image:
    """Returns the picture of the graph that is open."""
    graph = picture_graph(page)
    return graph.resize((WIDTH, round(graph.height * WIDTH / graph.width)), Image.Resampling.LANCZOS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--as-they-open", action="store_true", help="without a run")
    given = parser.parse_args()
    for page, host in open_pages():
        for setting in OVERLAYS:
            page.evaluate("name => window.app.extensionManager.setting.set(name, false)", setting)
        for name in given.names:
            print(name, flush=True)
            path = PACK / "workflows" / f"{name}.json"
            browser.load(page, json.loads(path.read_text(encoding="utf-8")))
            picture = picture_as_opened(page) if given.as_they_open else picture_a_run(page, host)
            content = io.BytesIO()
            picture.save(content, "JPEG", quality=QUALITY, optimize=True)
            write_whole(path.with_suffix(".jpg"), content.getvalue())


if __name__ == "__main__":
    main()
