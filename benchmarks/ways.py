"""Ways to take a step of learning that benchmarks compare, and our own emulation of the official one: it recomputes
every layer, keeps embeddings for 32 frames, computes the features of the text in each step, and leaves dropout on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from motion_core.training.compiling import compiled
from torch import Tensor, nn

from motion_core.hooks.embedding_hooks import inject
from motion_core.memory.freezing import frozen
from motion_core.memory.modes import count, in_mode, list_layers
from motion_core.models.family import family_of, find_modules_by_level
from motion_core.models.sites import AttentionSite
from motion_core.motions.embedding import Grid, MotionEmbedding
from motion_core.training.temporal_convolutions import in_fast_kernels

TABLE_FRAMES = 32
"""The length of the official code's embeddings."""
OFFICIAL = "official step"


@dataclass(frozen=True)
class Way:
    """mode: of memory; official: with what else the official code does; flat: in fast kernels; pool: of so many draws,
    0 for ever new noise; compile, graphs: by torch.compile, by CUDA graphs; last: channels last in 2D convolutions.
    """

    name: str
    mode: str = "fast"
    official: bool = False
    flat: bool = False
    pool: int = 0
    compile: bool = False
    graphs: bool = False
    last: bool = False


class Tables(MotionEmbedding):
    """Embeddings that are longer than the clip, of which the first frames are used."""

    def fitted(self, kind: str, name: str, frames: int, grid: Any = None) -> Tensor:
        return getattr(self, kind)[name][:, :frames]


@dataclass(frozen=True)
class Learner:
    """A model and where in it a clip's motion is learnt. grids: (h, w) by block; frames: of the clip."""

    module: nn.Module
    sites: Sequence[AttentionSite]
    grids: Mapping[str, Grid]
    frames: int
    device: torch.device

    def _start(self, way: Way) -> MotionEmbedding:
        """What is learnt, still zero."""
        frames = TABLE_FRAMES if way.official else self.frames
        family = family_of(self.module)
        embedding = MotionEmbedding.zeros(family, self.sites, self.grids, frames, device=self.device)
        for parameter in embedding.parameters:
            parameter.requires_grad_()
        return Tables(**vars(embedding)) if way.official else embedding

    @contextmanager
    def learning(self, way: Way) -> Iterator[MotionEmbedding]:
        """Within the block the model feels what is learnt, as the way says. Dropout is off."""
        embedding, layers = self._start(way), find_modules_by_level(self.module)
        with ExitStack() as stack:
            stack.enter_context(frozen(self.module))
            if way.flat:
                stack.enter_context(in_fast_kernels(self.module))
            if way.last:
                stack.enter_context(channels_last(self.module))
            if way.compile:
                stack.enter_context(compiled(list_layers(layers)))
            stack.enter_context(in_mode(way.mode, layers, self.device, way.compile))
            stack.enter_context(inject(self.module, embedding))
            yield embedding

    def foresee(self, mode: str, predict: Callable[[], Tensor]) -> int:
        """The bytes of a step that learning itself would foresee."""
        embedding, layers = self._start(Way("", mode)), find_modules_by_level(self.module)
        with frozen(self.module), inject(self.module, embedding):
            return count(self.module, layers, embedding.parameters, predict).predict(mode)


@contextmanager
def channels_last(module: nn.Module) -> Iterator[None]:
    """Within the block the weights of 2D convolutions lie channels last in memory, and so do their outputs."""
    weights = [part.weight for part in module.modules() if isinstance(part, nn.Conv2d)]
    before = [weight.data for weight in weights]
    try:
        for weight in weights:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        yield
    finally:
        for weight, data in zip(weights, before, strict=True):
            weight.data = data


def weigh(module: nn.Module) -> int:
    """Bytes."""
    return sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))
