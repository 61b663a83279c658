"""The official `motion_embed.pt` of Motion Inversion, to our file and back.

Its keys: `{block}.pos_embed` (1, 32, C) for qk, `{block}.attn1.vSpatial` and `.attn2.vSpatial` (h*w, 32, C) for v,
float32, trained rows first; the rows past the trained length are untrained zeros and are cut away here. It stores
neither the grid nor the trained length, so both are given, or read off where only one answer is possible.
"""

from __future__ import annotations

import io
import math
import os
import re
from pathlib import Path

import torch
from torch import Tensor

from ..atomic_write import write_whole
from ..errors import FileError, OptionError
from ..files.pickle_file import read_pickle, without_wrapper
from ..files.reading import checked_numbers
from ..models.token_layout import Grid
from ..motions.embedding import MotionEmbedding
from ..motions.origin import Origin

_ROWS = 32
_QK = re.compile(r"^(?P<block>.+\.transformer_blocks\.\d+)\.pos_embed$")
_V = re.compile(r"^(?P<block>.+\.transformer_blocks\.\d+)\.(?P<own>attn[12])\.vSpatial$")


def read_official(path: str | os.PathLike[str], width: int = 0, height: int = 0, frames: int = 0) -> MotionEmbedding:
    """Read an official file without running anything in it.

    width, height: pixels of the video it was learnt on; 0 when every grid can be read off (a square count can't).
    frames: trained length; 0 to take the rows before the untrained zeros. Raises FileError or OptionError.
    """
    stored = _load(Path(path))
    qk = {m["block"]: t for k, t in stored.items() if (m := _QK.match(k))}
    v = {f"{m['block']}.{m['own']}": t for k, t in stored.items() if (m := _V.match(k))}
    _check_complete(Path(path), stored, qk, v)
    length = frames or _trained_rows(list(stored.values()))
    if not 2 <= length <= min(t.shape[1] for t in stored.values()):
        raise OptionError(f"frames is {length}; {Path(path).name} holds rows for 2 to {_ROWS} frames")
    grids = {block: _grid_of(block, v[f"{block}.attn1"].shape[0], width, height) for block in qk}
    return MotionEmbedding(
        family="zeroscope",
        qk={name: t[:, :length].clone() for name, t in qk.items()},
        v={name: t[:, :length].clone() for name, t in v.items()},
        grids=grids,
        origin=Origin(width=width, height=height, recipe={"method": "motion inversion, official file"}),
    )


def write_official(embedding: MotionEmbedding, path: str | os.PathLike[str]) -> None:
    """Write the official file. Raises FileError when the embedding can't be written in it."""
    if any(len(t) > 1 for t in embedding.qk.values()) or any(
        len(t) != math.prod(embedding.grids[embedding.block_of(name)]) for name, t in embedding.v.items()
    ):
        raise FileError("the official file has a v for each place and one qk for all, this motion does not; keep ours")
    if embedding.layout != "official" or embedding.family != "zeroscope" or embedding.debiased_by != "none":
        raise FileError(
            f"the official file holds undebiased motion of the zeroscope family in the official layout, this one is "
            f"{embedding.family}, {embedding.layout}, debiased by {embedding.debiased_by}; learn it that way"
        )
    if embedding.frames > _ROWS:
        raise FileError(
            f"the official file holds at most {_ROWS} frames, this motion has {embedding.frames}; keep our format"
        )
    stored = {f"{name}.pos_embed": _padded(t) for name, t in embedding.qk.items()}
    stored |= {f"{name}.vSpatial": _padded(t) for name, t in embedding.v.items()}
    content = io.BytesIO()  # torch says otherwise than the system that a disk is full
    torch.save({name: torch.nn.Parameter(t) for name, t in stored.items()}, content)
    write_whole(path, content.getvalue())


def _load(path: Path) -> dict[str, Tensor]:
    stored = read_pickle(path, "official motion_embed.pt")
    tensors = isinstance(stored, dict) and all(isinstance(t, Tensor) and t.ndim == 3 for t in stored.values())
    if not stored or not tensors:
        raise FileError(f"{path.name} holds something else than motion embeddings; give an official motion_embed.pt")
    plain = {without_wrapper(str(key)): tensor for key, tensor in stored.items()}
    if len(plain) < len(stored):
        raise FileError(f"{path.name} holds a tensor twice, with and without module.; check the file")
    return checked_numbers(path, plain)


def _check_complete(path: Path, stored: dict[str, Tensor], qk: dict[str, Tensor], v: dict[str, Tensor]) -> None:
    unknown = [k for k in stored if not _QK.match(k) and not _V.match(k)]
    missing = [f"{block}.{own}" for block in qk for own in ("attn1", "attn2") if f"{block}.{own}" not in v]
    if unknown or missing or not qk or len(v) != 2 * len(qk):
        odd = (unknown or missing or ["pos_embed"])[0]
        raise FileError(f"{path.name} is no complete official motion_embed.pt (look at {odd[:200]}); check the file")
    for name, tensor in v.items():
        shared = qk[name.rpartition(".")[0]]
        if shared.shape[0] != 1 or tensor.shape[2] != shared.shape[2] or not tensor.numel():
            raise FileError(
                f"{path.name}: pos_embed {tuple(shared.shape)} and vSpatial {tuple(tensor.shape)} of {name} do not "
                "belong together; they are (1, 32, channels) and (places, 32, channels), so check the file"
            )


def _trained_rows(tensors: list[Tensor]) -> int:
    used = torch.stack([(t != 0).any(dim=2).any(dim=0)[:_ROWS] for t in tensors]).any(dim=0)
    rows = used.nonzero()
    if not len(rows):
        raise OptionError("every row of this file is zero, so its length can't be seen; give --frames")
    return int(rows[-1]) + 1


def _grid_of(block: str, places: int, width: int, height: int) -> Grid:
    """The official code divides the picture by 16 or 32 and rounds up."""
    if not width or not height:
        raise OptionError(
            f"the file does not say which grid its {places} places at {block} form; "
            "give the width and height of the video it was learnt on (576 and 320 in the official settings)"
        )
    for factor in (8, 16, 32, 64):
        grid = (-(-height // factor), -(-width // factor))
        if grid[0] * grid[1] == places:
            return grid
    raise OptionError(f"a video of {width}x{height} gives no grid of {places} places at {block}; give its own size")


def _padded(tensor: Tensor) -> Tensor:
    rows = torch.zeros(tensor.shape[0], _ROWS, tensor.shape[2])
    rows[:, : tensor.shape[1]] = tensor.detach().float().cpu()
    return rows
