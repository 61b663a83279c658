"""Learns a motion embedding from the latents of one clip, on a model that stays as it is."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..diffusion.denoiser import Denoiser
from ..diffusion.noise_samples import Draw, Draws, send
from ..diffusion.objectives import evaluate_objective, parse_objective
from ..diffusion.timesteps import Uniform
from ..errors import MemoryShortage, OptionError
from ..hooks.embedding_hooks import inject, note_grid
from ..memory.freezing import frozen
from ..memory.modes import (
    AUTO,
    LOWEST,
    FindFree,
    Footprint,
    MemoryUse,
    Peak,
    count,
    find_free,
    in_mode,
    list_layers,
    next_lower,
    pick,
    return_unused,
)
from ..memory.modes import say as say_bytes
from ..models.family import family_of, find_modules_by_level, find_sites
from ..models.sites import AttentionSite, select_sites
from ..motions.embedding import Grid, MotionEmbedding
from ..recipes.learn_config import LearnConfig
from . import validation
from .compiling import compiled
from .loop import Callback, Losses
from .pool import Pool, make_pool
from .prefix import Prefix
from .replaying import record, released
from .temporal_convolutions import in_fast_kernels
from .validation import Report, Validation

logger = logging.getLogger(__name__)
USUAL = LearnConfig()
UNSEEN = 0x5EED
"""What sets the seed of the draws for validation apart."""


@dataclass(frozen=True)
class Learnt:
    """The embedding, on the CPU in float32, and the loss of each step.

    validation: with early_stop, (step, loss) of each look at draws that were not learnt from. memory: what it took.
    """

    embedding: MotionEmbedding
    losses: list[float]
    validation: list[tuple[int, float]] = field(default_factory=list)
    memory: MemoryUse | None = None


def fit(
    denoiser: Denoiser,
    latents: Tensor,
    text: Tensor,
    config: LearnConfig = USUAL,
    callback: Callback | None = None,
    mask: Tensor | None = None,
    validated: Report | None = None,
    *,
    find_free: FindFree = find_free,
) -> Learnt:
    """Learn the motion of `latents` (K, C, N, h, w) under `text` (K, L, D), or (1, L, D) for all.

    K: versions of one clip that move alike and look different; usually one. A step sees one of them, so that what
    they do not share is not learnt (ours).
    mask: (N, h, w) weights of the loss in 0..1, so that one subject's motion is learnt out of several.
    validated: told each validation loss. find_free: gives the bytes that are free on a device, or None where that is
    not known. When memory runs out, learning begins again in the next lower memory mode, once; its steps are counted
    from 1.
    The model is as before when this ends, however it ends; global random state is not touched; the same seed gives
    the same embedding. Raises OptionError, ModelError, MemoryShortage.
    """
    _check_latents(latents, mask)
    if len(text) not in (1, len(latents)):
        raise OptionError(f"there are {len(text)} prompts for {len(latents)} versions of the clip; give 1, or 1 each")
    learner = _Learner(denoiser, latents, text.expand(len(latents), -1, -1), config, mask, find_free)
    with frozen(denoiser.module), released() if config.cuda_graphs else nullcontext():
        with explained(config.memory, latents):
            footprint = learner.count()
        mode = pick(footprint, find_free(latents.device)) if config.memory == AUTO else config.memory
        logger.info("memory %s: a peak of %s predicted", mode, say_bytes(footprint.predict(mode)))
        try:
            return learner.learn(mode, footprint, callback, validated)
        except MemoryShortage as shortage:
            lower = next_lower(mode, latents.device)
            if lower is None:
                raise
            logger.warning("%s. Now learning with memory %s, from the first step.", shortage, lower)
        return_unused(latents.device)  # what the failed attempt left
        learnt = learner.learn(lower, footprint, callback, validated)
        assert learnt.memory is not None
        return replace(learnt, memory=replace(learnt.memory, fell_back=True))


class _Learner:
    """A clip and a model: what is the same in every memory mode."""

    def __init__(
        self,
        denoiser: Denoiser,
        latents: Tensor,
        text: Tensor,
        config: LearnConfig,
        mask: Tensor | None,
        find_free: FindFree,
    ):
        self.denoiser, self.latents, self.text, self.config = denoiser, latents, text, config
        self.find_free = find_free
        self.terms, self.weight = parse_objective(config.objective), _loss_weight(mask, latents)
        self.timesteps = config.timesteps or Uniform(0, denoiser.schedule.steps)
        if self.timesteps.quantile(1.0) > denoiser.schedule.steps:
            raise OptionError(
                f"timesteps are {self.timesteps} and the model has {denoiser.schedule.steps}; go no higher"
            )
        self.sites = select_sites(find_sites(denoiser.module), config.sites)
        self.layers = find_modules_by_level(denoiser.module)
        self.grids: dict[str, Grid] = {}

    def count(self) -> Footprint:
        """The bytes of a step; by the way, the grids of the sites."""
        self.grids = measure_grids(self.denoiser, self.sites, self.latents[:1], self.text[:1])
        embedding = self._start()
        with inject(self.denoiser.module, embedding), torch.enable_grad():
            return count(self.denoiser.module, self.layers, embedding.parameters, self._predict, self.config.steady)

    def learn(self, mode: str, footprint: Footprint, callback: Callback | None, validated: Report | None) -> Learnt:
        predicted = footprint.predict(mode)
        with ExitStack() as stack:
            stack.enter_context(explained(mode, self.latents))
            embedding = self._start()
            stack.enter_context(self._at_work(mode, embedding))
            source = self._draws(self.config.seed)
            pool = self._fill_pool(source, predicted - footprint.weights) if self.config.pool else None
            if pool:
                stack.enter_context(pool.prefix.at_work())
            peak = Peak(self.latents.device, footprint)
            denoiser = self._record(embedding) if self.config.cuda_graphs else self.denoiser
            watch = self._watch(embedding, pool, validated) if self.config.early_stop else None

            def draw() -> Losses:
                with peak.measured():
                    yield self.evaluate((pool or source).draw(), denoiser), embedding.parameters

            with torch.enable_grad():
                look, every = watch.look if watch else None, validation.EVERY
                losses = self.config.descent().follow(
                    embedding.parameters, draw, is_half(self.denoiser), callback, look, every
                )
            if watch:
                watch.bring_back_best()
            use = MemoryUse(mode, self.config.memory == AUTO, predicted, *peak.read())
            learnt = embedding.detached().moved("cpu")
        logger.info("%s", use)
        return Learnt(learnt, losses, watch.losses if watch else [], use)

    @contextmanager
    def _at_work(self, mode: str, embedding: MotionEmbedding) -> Iterator[None]:
        """Within the block the model feels the embedding, and saves memory and time as it is told to."""
        module, device = self.denoiser.module, self.latents.device
        with ExitStack() as stack:
            if self.config.fast_kernels:
                stack.enter_context(in_fast_kernels(module))
            compilation = stack.enter_context(compiled(list_layers(self.layers))) if self._compiles_in(mode) else None
            stack.enter_context(in_mode(mode, self.layers, device, compilation is not None))
            # the injection stays until backward is done: checkpointing computes the forward again
            stack.enter_context(inject(module, embedding))
            if compilation:
                compilation.try_out(lambda: self._differentiate(embedding))
            yield

    def evaluate(self, draw: Draw, denoiser: Denoiser) -> Tensor:
        """The loss of the model as it feels the embedding now."""
        x0, text = self.latents[draw.version, None], self.text[draw.version, None]
        eps, t, schedule = send(draw.eps, x0), draw.t, denoiser.schedule
        predicted = denoiser.predict(schedule.add_noise(x0, eps, t), t, text)
        if self.weight is not None:
            predicted = eps + self.weight * (predicted - eps)  # an error outside the mask is none, in every objective
        return evaluate_objective(self.terms, predicted, eps, draw.anchor, schedule.alpha_bars[t])

    def _start(self) -> MotionEmbedding:
        family, frames, device = family_of(self.denoiser.module), self.latents.shape[2], self.latents.device
        layout, spatial = self.config.layout, self.config.spatial
        embedding = MotionEmbedding.zeros(family, self.sites, self.grids, frames, layout, device, spatial)
        for parameter in embedding.parameters:
            parameter.requires_grad_()
        return embedding

    def _compiles_in(self, mode: str) -> bool:
        if self.config.compile and mode == LOWEST:
            logger.warning("torch.compile does not work with memory lowest; learning goes on without it")
        return self.config.compile and mode != LOWEST

    def _differentiate(self, embedding: MotionEmbedding) -> None:
        """A step that moves nothing and takes nothing from the draws of the others."""
        with torch.enable_grad():
            loss = self.evaluate(self._draws(UNSEEN ^ self.config.seed).draw(), self.denoiser)
            torch.autograd.grad(loss, embedding.parameters)

    def _record(self, embedding: MotionEmbedding) -> Denoiser:
        first = torch.zeros(1, dtype=torch.long, device=self.latents.device)
        return record(self.denoiser, self.latents[:1], first, self.text[:1], embedding.parameters)

    def _predict(self) -> Tensor:
        first = torch.zeros(1, dtype=torch.long, device=self.latents.device)
        return self.denoiser.predict(self.latents[:1], first, self.text[:1])

    def _draws(self, seed: int) -> Draws:
        generator = torch.Generator().manual_seed(seed)
        return Draws(self.timesteps, len(self.latents), self.latents[:1].shape, generator)

    def _fill_pool(self, draws: Draws, taken: int) -> Pool:
        prefix = Prefix.find(self.denoiser.module, self.sites, self._predict)
        device = self.latents.device
        free = self.find_free(device)
        room = None if free is None else max(0, free - taken)
        pool = make_pool(self.config.pool, self.config.steps, draws, prefix, device, room)
        logger.info("pool %d: %s", len(pool.draws), say_bytes(len(pool.draws) * prefix.size))
        return pool

    def _watch(self, embedding: MotionEmbedding, pool: Pool | None, report: Report | None) -> Validation:
        def evaluate(draw: Draw) -> Tensor:
            if pool:
                pool.prefix.state = None
            return self.evaluate(draw, self.denoiser)

        draws = self._draws(UNSEEN ^ self.config.seed).draw_spread(validation.DRAWS)
        return Validation(draws, evaluate, embedding.parameters, report)


def measure_grids(denoiser: Denoiser, sites: Sequence[AttentionSite], latents: Tensor, text: Tensor) -> dict[str, Grid]:
    """Run the model once and note the (h, w) on which each block's attention works. latents: (1, C, N, h, w)."""
    grids: dict[str, Grid] = {}
    with ExitStack() as hooks, torch.no_grad():
        for site in sites:
            if site.frame is not None:
                hooks.callback(note_grid(site.frame, site.block, grids).remove)
        denoiser.predict(latents, torch.zeros(1, dtype=torch.long, device=latents.device), text)
    return grids


def is_half(denoiser: Denoiser) -> bool:
    """Whether any of the model is kept in fp16."""
    return any(p.dtype == torch.float16 for p in denoiser.module.parameters())


def _check_latents(latents: Tensor, mask: Tensor | None) -> None:
    if latents.ndim != 5 or not len(latents):
        raise OptionError(f"latents have shape {tuple(latents.shape)}; give one clip as (1, C, N, h, w)")
    if latents.shape[2] < 2:
        raise OptionError("the reference has 1 frame; a motion needs at least 2")
    if not latents.isfinite().all():
        raise OptionError("the reference's latents are not finite; check the autoencoder that encoded them")
    if mask is None:
        return
    if tuple(mask.shape) != (latents.shape[2], *latents.shape[3:]):
        raise OptionError(f"mask has shape {tuple(mask.shape)}; give (N, h, w) = {tuple(latents.shape[2:])}")
    if not mask.isfinite().all() or mask.min() < 0 or mask.max() <= 0:
        raise OptionError("the mask is empty or not within 0..1; mark the subject with 1 and the rest with 0")


def _loss_weight(mask: Tensor | None, latents: Tensor) -> Tensor | None:
    """(1, 1, N, h, w): the root of the mask, scaled so that the mean of its square is 1."""
    if mask is None:
        return None
    weights = mask.to(latents)[None, None]
    return (weights / weights.mean()).sqrt()


@contextmanager
def explained(memory: str, latents: Tensor) -> Iterator[None]:
    """Turn out-of-memory errors, of a GPU or of this machine, into a sentence."""
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        said = str(error).splitlines()[0] if str(error) else "out of memory"
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in said:
            raise
        n, h, w = latents.shape[2:]
        lower = "" if memory in ("low", "lowest") else "memory 'low', "
        use = f"use {lower}fewer frames or a smaller size"
        raise MemoryShortage(f"learning on {n} frames of {h}x{w} latents ran out of memory ({said}); {use}") from error
