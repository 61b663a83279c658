"""The motion embedding: trained on a reference clip, saved, and added to the input of a model's temporal attention."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import ModelError, OptionError
from ..models.sites import AttentionSite, group_by_block
from ..models.token_layout import Grid
from .apply_settings import ApplySettings, EmbeddingSettings
from .debias import DEBIAS_MODES, debias
from .embedding_file import LAYOUTS, EmbeddingContent, read_embedding, write_embedding
from .origin import Origin

SPATIAL = {"v": (False, True), "none": (False, False), "qk": (True, False), "both": (True, True)}
"""Setting -> whether qk and v differ from place to place. The paper's is `v`."""


class DebiasedValues(Mapping[str, Tensor]):
    """Value embeddings that are debiased when they are read. trained: by name, as they were trained (h*w, N, C)."""

    def __init__(self, trained: Mapping[str, Tensor], mode: str):
        self.trained, self.mode = trained, mode

    def __getitem__(self, name: str) -> Tensor:
        return debias(self.trained[name], self.mode)

    def __iter__(self) -> Iterator[str]:
        return iter(self.trained)

    def __len__(self) -> int:
        return len(self.trained)


@dataclass(frozen=True)
class MotionEmbedding:
    """qk and v of each attention site (Motion Inversion, sec. 4.1).

    A name is a site's own or its block's. A block's tensor serves both self-attentions of the block.
    qk: name -> (1, N, C). v: name -> (h*w, N, C), given as it was trained, read debiased by `debiased_by`.
    grids: block -> (h, w). For the paper's ablation each may have the other's first axis, see `SPATIAL`.
    """

    family: str
    qk: Mapping[str, Tensor]
    v: Mapping[str, Tensor]
    grids: Mapping[str, Grid]
    origin: Origin = Origin()
    debiased_by: str = "none"
    settings_type: ClassVar[type[ApplySettings]] = EmbeddingSettings

    def __post_init__(self) -> None:
        trained = self.trained_v
        object.__setattr__(
            self, "v", trained if self.debiased_by == "none" else DebiasedValues(trained, self.debiased_by)
        )
        if not self.qk or not trained:
            raise OptionError("a motion embedding needs at least one qk and one v; learn it on at least one site")
        lengths = {t.shape[1] for t in (*self.qk.values(), *trained.values())}
        if len(lengths) != 1:
            raise OptionError(f"a motion embedding has one length, these tensors have {sorted(lengths)} frames")

    @classmethod
    def zeros(
        cls,
        family: str,
        sites: Sequence[AttentionSite],
        grids: Mapping[str, Grid],
        frames: int,
        *,
        layout: str = "official",
        device: torch.device | str = "cpu",
        spatial: str = "v",
    ) -> MotionEmbedding:
        """Makes what training starts from: float32 zeros for each site.

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
    def trained_v(self) -> Mapping[str, Tensor]:
        """v as it was trained, without debiasing."""
        return self.v.trained if isinstance(self.v, DebiasedValues) else self.v

    @property
    def frames(self) -> int:
        return next(iter(self.qk.values())).shape[1]

    @property
    def layout(self) -> str:
        return "paper" if set(self.v) == set(self.qk) else "official"

    @property
    def parameters(self) -> list[Tensor]:
        """All trained tensors, in a fixed order."""
        return [self.qk[n] for n in sorted(self.qk)] + [self.trained_v[n] for n in sorted(self.v)]

    def block_of(self, name: str) -> str:
        """Returns the block that a tensor's name belongs to."""
        return name if name in self.grids else name.rpartition(".")[0]

    def map(self, change: Callable[[Tensor], Tensor]) -> MotionEmbedding:
        """Returns a copy with change(tensor) for each trained tensor."""
        qk = {name: change(t) for name, t in self.qk.items()}
        return replace(self, qk=qk, v={name: change(t) for name, t in self.trained_v.items()})

    def detached(self) -> MotionEmbedding:
        """Returns a copy that no later change of this one's tensors reaches."""
        return self.map(lambda t: t.detach().clone())

    def moved(self, device: torch.device | str) -> MotionEmbedding:
        """Returns a copy on another device."""
        return self.map(lambda t: t.to(device))

    def resized(self, frames: int, grid: Grid | Mapping[str, Grid] | None = None) -> MotionEmbedding:
        """Returns the same motion for another length and resolution: linear in time, bilinear on the grid.

        grid: (h, w) of the finest site, the coarser ones keeping their ratio (rounded up); or block -> (h, w);
        or None to keep the grids. v is resized first and debiased afterwards. Raises OptionError, ModelError.
        """
        if frames < 1:
            raise OptionError(f"frames is {frames}; a motion needs at least 1")
        grids = self._target_grids(grid)
        if frames == self.frames and grids == dict(self.grids):
            return self
        qk = {name: self._resized(t, name, frames, grids[self.block_of(name)]) for name, t in self.qk.items()}
        v = {name: self._resized(t, name, frames, grids[self.block_of(name)]) for name, t in self.trained_v.items()}
        return replace(self, qk=qk, v=v, grids=grids)

    def fitted(self, kind: str, name: str, frames: int, grid: Grid | None = None) -> Tensor:
        """Returns one tensor (kind `qk` or `v`) at another length and grid, debiased as this embedding is."""
        if kind == "qk":
            return self._resized(self.qk[name], name, frames, grid)
        return debias(self._resized(self.trained_v[name], name, frames, grid), self.debiased_by)

    def debiased(self, mode: str = "difference") -> MotionEmbedding:
        """Returns the motion without the reference's appearance: `difference` (eq. 5), `mean`, or `none`.

        Twice the same is once, and `none` changes nothing. Raises OptionError.
        """
        if mode not in DEBIAS_MODES:
            raise OptionError(f"debias is {mode!r}; use one of {', '.join(DEBIAS_MODES)}")
        return self if mode in ("none", self.debiased_by) else replace(self, debiased_by=mode)

    def save(self, path: str | os.PathLike[str], dtype: torch.dtype = torch.float16) -> None:
        """Writes a `.safetensors` file, whole or not at all. Raises FileError."""
        content = EmbeddingContent(
            self.family, self.qk, self.trained_v, self.grids, self.origin, self.debiased_by, self.layout, self.frames
        )
        write_embedding(content, path, dtype)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> MotionEmbedding:
        """Reads a file that `save` wrote, in float32. Raises FileError."""
        read = read_embedding(path)
        return cls(read.family, read.qk, read.v, read.grids, read.origin, read.debiased_by)

    def _resized(self, tensor: Tensor, name: str, frames: int, grid: Grid | None) -> Tensor:
        old = self.grids[self.block_of(name)] if len(tensor) > 1 else (1, 1)
        new = (grid or old) if len(tensor) > 1 else (1, 1)
        return tensor if (frames, new) == (self.frames, old) else _resize(tensor, frames, old, new)

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


def names_for(site: AttentionSite) -> Iterable[str]:
    """Returns the names under which a site's tensors may be kept: its own first, then its block's."""
    return (site.name, site.block)


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
