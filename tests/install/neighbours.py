"""Other people's packs beside this one, and a graph of VideoHelperSuite."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from PIL import Image, ImageDraw

from tests.host.graphs import Graph, out
from tests.install.host_copy import HostCopy, Impossible, InstalledHost

PACKS = {
    "ComfyUI-AnimateDiff-Evolved": "ADE_UseEvolvedSampling",
    "ComfyUI-VideoHelperSuite": "VHS_VideoCombine",
    "ComfyUI-Advanced-ControlNet": "ACN_AdvancedControlNetApply",
}
"""Folder -> one of its nodes."""
FRAMES = 6


def add_neighbours(host: Path, copy: HostCopy) -> None:
    """Copies them from the host's custom_nodes, or from COMFYUI_NEIGHBOURS or `other` beside it. Raises Impossible."""
    places = [host / "custom_nodes", Path(os.environ.get("COMFYUI_NEIGHBOURS", host.parent / "other"))]
    for name in PACKS:
        found = next((place / name for place in places if (place / name).is_dir()), None)
        if found is None:
            raise Impossible(f"{name} is in none of {', '.join(map(str, places))}; git clone it into the last")
        shutil.copytree(found, copy.root / "custom_nodes" / name, ignore=shutil.ignore_patterns(".git", "__pycache__"))
    frames = copy.root / "input" / "frames"
    frames.mkdir()
    for number in range(FRAMES):
        picture = Image.new("RGB", (64, 64), "teal")
        ImageDraw.Draw(picture).rectangle((8 * number, 20, 8 * number + 16, 36), fill="yellow")
        picture.save(frames / f"{number}.png")


def combine(host: InstalledHost) -> str:
    """A digest of the frames of the video that VideoHelperSuite makes of pictures."""
    graph = Graph()
    pictures = graph.add("VHS_LoadImagesPath", directory=str(host.root / "input" / "frames"))
    name = graph.add(
        "VHS_VideoCombine", images=out(pictures), frame_rate=8, loop_count=0, filename_prefix="combined",
        format="image/gif", pingpong=False, save_output=True,
    )  # fmt: skip
    made = host.wait(host.queue(graph))[name]["gifs"][0]
    digest = hashlib.sha256()
    with Image.open(Path(made["fullpath"])) as clip:
        assert getattr(clip, "n_frames", 1) == FRAMES
        for frame in range(FRAMES):
            clip.seek(frame)
            digest.update(clip.convert("RGB").tobytes())
    return digest.hexdigest()
