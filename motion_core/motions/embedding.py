"""The motion embedding: what is learnt from a reference clip, saved, and added to a model's temporal attention."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import ModelError, OptionError
from ..models.sites import AttentionSite, group_by_block
from .debias import DEBIAS_MODES, debias, undo_difference
from .origin import Origin

Grid = tuple[int, int]
LAYOUTS = ("official", "paper")
SPATIAL = {"v": (False, True), "none": (False, False), "qk": (True, False), "both": (True, True)}
"""Whether qk and v differ from place to place, by what a setting calls it; the paper's is `v`."""


@dataclass(frozen=True)
class MotionEmbedding:
    """qk and v of each attention site (Motion Inversion, sec. 4.1), one tensor for a name.

    A name is a site's own or its block's; a block's tensor serves both self-attentions of the block.
    qk: name -> (1, N, C). v: name -> (h*w, N, C). grids: block -> (h, w). debiased_by: what has been done to v.
    For the paper's ablation each may have the other's first axis, see `SPATIAL`.
    """

    family: str
    qk: Mapping[str, Tensor]
    v: Mapping[str, Tensor]
    grids: Mapping[str, Grid]
    origin: Origin = Origin()
    debiased_by: str = "none"

    def __post_init__(self) -> None:
        if not self.qk or not self.v:
            raise OptionError("a motion embedding needs at least one qk and one v; learn it on at least one site")
        lengths = {t.shape[1] for t in (*self.qk.values(), *self.v.values())}
        if len(lengths) != 1:
            raise OptionError(f"a motion embedding has one length, these tensors have {sorted(lengths)} frames")

    @classmethod
    def zeros(
        cls,
        family: str,
        sites: Sequence[AttentionSite],
        grids: Mapping[str, Grid],
        frames: int,
        layout: str = "official",
        device: torch.device | str = "cpu",
        spatial: str = "v",
    ) -> MotionEmbedding:
        """What learning starts from: float32 zeros for each site.

        layout: `official` (one qk for both self-attentions of a block, a v for each) or `paper` (one of each);
        spatial: which of them differ from place to place, see `SPATIAL`. Raises OptionError.
        """
        if layout not in LAYOUTS:
            raise OptionError(f"layout is {layout!r}; use one of {', '.join(LAYOUTS)}")
        if spatial not in SPATIAL:
            raise OptionError(f"spatial is {spatial!r}; use one of {', '.join(SPATIAL)}")
        wide_qk, wide_v = SPATIAL[spatial]
        qk, v = {}, {}
        for block, members in group_by_block(sites).items():
            h, w = grids[block]
            channels = members[0].channels
            qk[block] = torch.zeros(h * w if wide_qk else 1, frames, channels, device=device)
            for name in [block] if layout == "paper" else [site.name for site in members]:
                v[name] = torch.zeros(h * w if wide_v else 1, frames, channels, device=device)
        return cls(family, qk, v, dict(grids))

    @property
    def frames(self) -> int:
        return next(iter(self.qk.values())).shape[1]

    @property
    def layout(self) -> str:
        return "paper" if set(self.v) == set(self.qk) else "official"

    @property
    def parameters(self) -> list[Tensor]:
        """All tensors, in a fixed order."""
        return [self.qk[n] for n in sorted(self.qk)] + [self.v[n] for n in sorted(self.v)]

    def block_of(self, name: str) -> str:
        """The block that a tensor's name belongs to."""
        return name if name in self.grids else name.rpartition(".")[0]

    def map(self, on_qk, on_v, **changes: Any) -> MotionEmbedding:
        """A copy with on_qk(name, tensor) and on_v(name, tensor) for the tensors, and other fields replaced."""
        qk = {name: on_qk(name, t) for name, t in self.qk.items()}
        v = {name: on_v(name, t) for name, t in self.v.items()}
        return replace(self, qk=qk, v=v, **changes)

    def detached(self) -> MotionEmbedding:
        """A copy that no later change of this one's tensors reaches."""
        return self.map(lambda _, t: t.detach().clone(), lambda _, t: t.detach().clone())

    def moved(self, device: torch.device | str) -> MotionEmbedding:
        """A copy on another device."""
        return self.map(lambda _, t: t.to(device), lambda _, t: t.to(device))

    def resized(self, frames: int, grid: Grid | Mapping[str, Grid] | None = None) -> MotionEmbedding:
        """The same motion for another length and resolution: linear in time, bilinear on the grid.

        grid: (h, w) of the finest site, the coarser ones keeping their ratio (rounded up); or block -> (h, w);
        or None to keep the grids. Debiasing comes after resizing: an embedding that was debiased before is
        brought back, resized and debiased again, which gives the same.
        """
        if frames < 1:
            raise OptionError(f"frames is {frames}; a motion needs at least 1")
        grids = self._target_grids(grid)
        if frames == self.frames and grids == dict(self.grids):
            return self
        return self.map(
            lambda name, _: self.fitted("qk", name, frames, grids[self.block_of(name)]),
            lambda name, _: self.fitted("v", name, frames, grids[self.block_of(name)]),
            grids=grids,
        )

    def fitted(self, kind: str, name: str, frames: int, grid: Grid | None = None) -> Tensor:
        """One tensor (kind `qk` or `v`) for another length and grid, debiased as this embedding is."""
        tensor = (self.qk if kind == "qk" else self.v)[name]
        old = self.grids[self.block_of(name)] if len(tensor) > 1 else (1, 1)
        new = (grid or old) if len(tensor) > 1 else (1, 1)
        if (frames, new) == (self.frames, old):
            return tensor
        if kind == "qk":
            return _resize(tensor, frames, old, new)
        return debias(_resize(self._undebiased(tensor), frames, old, new), self.debiased_by)

    def _target_grids(self, grid: Grid | Mapping[str, Grid] | None) -> dict[str, Grid]:
        if grid is None:
            return dict(self.grids)
        if isinstance(grid, Mapping):
            missing = set(self.grids) - set(grid)
            if missing:
                raise ModelError(f"no grid is known for {sorted(missing)[0]}; this model lacks that attention block")
            return {block: grid[block] for block in self.grids}
        if min(grid) < 1:
            raise OptionError(f"grid is {grid}; both sides need at least 1")
        finest = max(self.grids.values())
        return {
            block: (math.ceil(grid[0] * h / finest[0]), math.ceil(grid[1] * w / finest[1]))
            for block, (h, w) in self.grids.items()
        }

    def _undebiased(self, v: Tensor) -> Tensor:
        """v before its difference was taken; a mean that was taken away is gone, and does not matter again."""
        return undo_difference(v) if self.debiased_by == "difference" else v

    def debiased(self, mode: str = "difference") -> MotionEmbedding:
        """v without the reference's looks: `difference` (eq. 5), `mean`, or `none`; twice the same is once."""
        if mode not in DEBIAS_MODES:
            raise OptionError(f"debias is {mode!r}; use one of {', '.join(DEBIAS_MODES)}")
        if mode in ("none", self.debiased_by):
            return self
        if self.debiased_by == "mean":
            raise OptionError(
                "this embedding's mean was taken away before, so its difference can't be had; load it anew"
            )
        return self.map(lambda _, t: t, lambda _, t: debias(self._undebiased(t), mode), debiased_by=mode)

    def save(self, path: str | os.PathLike[str], dtype: torch.dtype = torch.float16) -> None:
        """Write a `.safetensors` file, whole or not at all. Raises FileError."""
        from .embedding_file import write_embedding

        write_embedding(self, path, dtype)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> MotionEmbedding:
        """Read a file that `save` wrote, in float32. Raises FileError."""
        from .embedding_file import read_embedding

        return read_embedding(path)


def _resize(tokens: Tensor, frames: int, grid: Grid, new_grid: Grid) -> Tensor:
    """(h*w, N, C) -> (h'*w', N', C)."""
    if frames != tokens.shape[1]:
        tokens = functional.interpolate(tokens.transpose(1, 2), size=frames, mode="linear").transpose(1, 2)
    if grid != new_grid:
        n, c = tokens.shape[1:]
        picture = tokens.reshape(*grid, n * c).permute(2, 0, 1)[None]
        picture = functional.interpolate(picture, size=new_grid, mode="bilinear")
        tokens = picture[0].permute(1, 2, 0).reshape(new_grid[0] * new_grid[1], n, c)
    return tokens.contiguous()


def names_for(site: AttentionSite) -> Iterable[str]:
    """Under which names a site's tensors may stand: its own first, then its block's."""
    return (site.name, site.block)
