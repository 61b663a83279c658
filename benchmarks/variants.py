"""Variants of a training step that the benchmarks compare, and our own emulation of the official one: it recomputes
every layer, keeps embeddings for 32 frames, computes the features of the text in each step, and leaves dropout on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from motion_core.hooks.embedding_hooks import inject
from motion_core.memory.footprint import measure_footprint
from motion_core.memory.freezing import frozen
from motion_core.memory.modes import in_mode
from motion_core.models.families import recognize
from motion_core.models.sites import AttentionSite
from motion_core.models.token_layout import Grid
from motion_core.motions.embedding import MotionEmbedding
from motion_core.training.temporal_convolutions import as_2d_convolutions

TABLE_FRAMES = 32
"""The length of the official code's embeddings."""
OFFICIAL = "official step"


@dataclass(frozen=True)
class Variant:
    """mode: of memory; official: with what else the official code does; fast_kernels: convolutions along time as 2D
    ones; channels_last: of 2D convolutions.
    """

    name: str
    mode: str = "fast"
    official: bool = False
    fast_kernels: bool = False
    channels_last: bool = False


class OfficialEmbedding(MotionEmbedding):
    """Embeddings that are longer than the clip. Their first frames are used."""

    def fitted(self, kind: str, name: str, frames: int, grid: Any = None) -> Tensor:
        return getattr(self, kind)[name][:, :frames]


@dataclass(frozen=True)
class TrainedModel:
    """A model and the sites that are trained on it. grids: (h, w) by block; frames: of the clip."""

    module: nn.Module
    sites: Sequence[AttentionSite]
    grids: Mapping[str, Grid]
    frames: int
    device: torch.device

    @contextmanager
    def training(self, variant: Variant) -> Iterator[MotionEmbedding]:
        """Within the block the embedding, which is yielded, is attached to the model. Dropout is off."""
        embedding, levels = self._start(variant), recognize(self.module).group_by_level()
        with ExitStack() as stack:
            stack.enter_context(frozen(self.module))
            if variant.fast_kernels:
                stack.enter_context(as_2d_convolutions(self.module))
            if variant.channels_last:
                stack.enter_context(with_channels_last(self.module))
            stack.enter_context(in_mode(variant.mode, levels, self.device))
            stack.enter_context(inject(self.module, embedding))
            yield embedding

    def predict_memory(self, mode: str, forward: Callable[[], Tensor]) -> int:
        """Returns the bytes of a step that training itself would predict."""
        embedding, levels = self._start(Variant("", mode)), recognize(self.module).group_by_level()
        with frozen(self.module), inject(self.module, embedding):
            return measure_footprint(self.module, levels, embedding.parameters, forward).predict(mode)

    def count_values(self) -> int:
        """Counts the numbers that are trained."""
        return sum(parameter.numel() for parameter in self._start(Variant("")).parameters)

    def _start(self, variant: Variant) -> MotionEmbedding:
        frames = TABLE_FRAMES if variant.official else self.frames
        family = recognize(self.module).family.name
        embedding = MotionEmbedding.zeros(family, self.sites, self.grids, frames, device=self.device)
        for parameter in embedding.parameters:
            parameter.requires_grad_()
        return OfficialEmbedding(**vars(embedding)) if variant.official else embedding


@contextmanager
def with_channels_last(module: nn.Module) -> Iterator[None]:
    """Within the block the weights of 2D convolutions are stored channels last, and so are their outputs."""
    weights = [part.weight for part in module.modules() if isinstance(part, nn.Conv2d)]
    before = [weight.data for weight in weights]
    try:
        for weight in weights:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        yield
    finally:
        for weight, data in zip(weights, before, strict=True):
            weight.data = data


def count_bytes(module: nn.Module) -> int:
    """Counts the bytes of a module's tensors."""
    return sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))
