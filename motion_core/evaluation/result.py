"""One generated clip of an evaluation, with its scores."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from torch import Tensor

from ..video.pictures.contact_sheets import draw_strip

STRIP_HEIGHT = 64
"""The least height in pixels of a row of a contact sheet."""


@dataclass(frozen=True)
class Result:
    """One generated clip. key: of the cell that it belongs to; take: its number under the reference; seconds: of
    sampling; learnt: what training cost; code: what `fingerprint_code` returned; strip: some of its frames side by side
    as PNG, of a cell's first clip.
    """

    key: str
    method: str
    clip: str
    take: int
    prompt: str
    scores: dict[str, float]
    seconds: float
    learnt: dict[str, float] = field(default_factory=dict)
    date: str = ""
    code: str = ""
    strip: bytes = b""


def encode_strip(frames: Tensor) -> bytes:
    """Encodes some frames of a clip (N, H, W, 3) side by side as PNG. Small ones are enlarged."""
    kept = io.BytesIO()
    draw_strip(frames, max(1, round(STRIP_HEIGHT / frames.shape[1])), 8).save(kept, "PNG")
    return kept.getvalue()
