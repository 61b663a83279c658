"""Contact sheets: for each clip the reference and a row of frames for each method."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ..atomic_write import replacing
from ..video.pictures.contact_sheets import stack_strips
from .material.protocol import Material
from .result import Result, encode_strip
from .results import Results
from .suite import Suite

LINE = 24
"""Characters in a line of a label."""


def write_sheets(suite: Suite, material: Material, kept: Results, results: Sequence[Result]) -> list[Path]:
    """Writes one PNG a clip, of the first sample of each method, in `sheets`."""
    folder = kept.folder / "sheets"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for clip in material.names:
        keys = {r.method: r.key for r in results if r.clip == clip and r.take == 0 and kept.strip(r.key).exists()}
        shown = [method.name for method in suite.methods if method.name in keys]
        if not shown:
            continue
        reference = Image.open(io.BytesIO(encode_strip(material.reference(clip).clip.frames)))
        strips = [reference, *(Image.open(kept.strip(keys[name])) for name in shown)]
        labels = [textwrap.fill(label, LINE) for label in ("the reference", *shown)]
        path = folder / f"{clip}.png"
        with replacing(path) as scratch:
            stack_strips(strips, labels).save(scratch)
        written.append(path)
    return written
