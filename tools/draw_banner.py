"""Draws the registry's pictures of the pack, `assets/icon.png` and `assets/banner.png`: `python -m tools.draw_banner`.

Both are drawn as the starter's clips are. The icon is a subject on its path, the banner three subjects on one path.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from motion_core.starter.appearance import Ground, Subject
from motion_core.starter.paths import HELD_OUT, Motion
from motion_core.starter.scene import Actor, render
from motion_core.video.pictures.pixels import to_image

ASSETS = Path(__file__).resolve().parents[1] / "assets"
STATIONS = 36
"""Places of a trail along the path."""
GROWTH = 1.2
"""How much wider the path is than in a clip."""
RADIUS = 0.13
"""Of a subject, in picture widths."""
LEAST, MOST = 0.006, 0.022
"""Radii of a trail's first and last dot, in picture widths."""
ICON_SIZE = 400
BANNER_HEIGHT, PANEL_WIDTH = 540, 420
"""Three panels are 21:9."""
TRAIL = Subject("white", "circle")
LOOKS = (
    (Subject("red", "circle"), Ground("gray", "plain")),
    (Subject("yellow", "square"), Ground("teal", "plain")),
    (Subject("purple", "cross"), Ground("brown", "striped")),
)


def draw_subject(subject: Subject, ground: Ground, size: int) -> Tensor:
    """Draws a subject at the end of its trail of growing dots: (size, size, 3), 0..1."""
    path = GROWTH * HELD_OUT["spiral"](STATIONS)
    radii = torch.linspace(LEAST, MOST, len(path) - 1).tolist()
    dots = [Actor(TRAIL, Motion.of(place), radius) for place, radius in zip(path.split(1), radii, strict=False)]
    return render(ground, [*dots, Actor(subject, Motion.of(path[-1:]), RADIUS)], size)[0]


def draw_icon() -> Tensor:
    """One subject on its path: (400, 400, 3), 0..1."""
    return draw_subject(*LOOKS[1], ICON_SIZE)


def draw_banner() -> Tensor:
    """Three subjects on the same path: (540, 1260, 3), 0..1."""
    cut = (BANNER_HEIGHT - PANEL_WIDTH) // 2
    panels = [draw_subject(*look, BANNER_HEIGHT)[:, cut : cut + PANEL_WIDTH] for look in LOOKS]
    return torch.cat(panels, 1)


def save(picture: Tensor, path: Path) -> None:
    """Writes a picture as PNG of at most 256 colours, which is small."""
    to_image(picture).quantize(dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"wrote {path}")


if __name__ == "__main__":
    save(draw_icon(), ASSETS / "icon.png")
    save(draw_banner(), ASSETS / "banner.png")
