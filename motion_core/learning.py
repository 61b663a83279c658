"""Learns a motion embedding from the latents of one clip, on a model that stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .backbones import AttentionSite, family_of, find_modules_by_level, find_sites, select_sites
from .checkpointing import MEMORY_MODES, checkpointed, choose_layers
from .denoiser import Denoiser
from .descent import Callback, Descent, Losses
from .embedding import LAYOUTS, SPATIAL, Grid, MotionEmbedding
from .errors import MemoryShortage, OptionError
from .freezing import frozen
from .injection import inject, note_grid
from .objectives import evaluate_objective, parse_objective
from .presets import PRESETS, find_preset
from .recolouring import COLOURINGS
from .timesteps import TimestepSampler, Uniform


@dataclass(frozen=True)
class LearnConfig:
    """How to learn. steps: optimiser steps; objective: a sum of objectives; sites: `deepest`, `all` or a pattern;
    layout: `official` or `paper`; memory: `fast`, `balanced` or `low`; timesteps: which noise levels are visited
    (None: all alike); colourings: in how many colourings `learn_motion` shows the clip (1: only as it is), see
    `motion_core.recolouring`; spatial: which embeddings differ from place to place, see `motion_core.embedding`.
    Raises OptionError.
    """

    steps: int = 400
    learning_rate: float = 2e-2
    objective: str = "noise_mse"
    sites: str = "deepest"
    layout: str = "official"
    memory: str = "balanced"
    seed: int = 0
    timesteps: TimestepSampler | None = None
    colourings: int = 1
    preset: str = "custom"
    spatial: str = "v"

    def __post_init__(self) -> None:
        self.descent()
        if self.layout not in LAYOUTS:
            raise OptionError(f"layout is {self.layout!r}; use one of {', '.join(LAYOUTS)}")
        if self.spatial not in SPATIAL:
            raise OptionError(f"spatial is {self.spatial!r}; use one of {', '.join(SPATIAL)}")
        if self.memory not in MEMORY_MODES:
            raise OptionError(f"memory is {self.memory!r}; use one of {', '.join(MEMORY_MODES)}")
        if not 1 <= self.colourings <= COLOURINGS:
            raise OptionError(f"colourings is {self.colourings}; choose 1 (the clip as it is) to {COLOURINGS}")
        if not 0 <= self.seed < 2**63:
            raise OptionError(f"seed is {self.seed}; choose a whole number from 0 to 2^63 - 1")
        parse_objective(self.objective)

    def descent(self) -> Descent:
        """Its optimiser. Raises OptionError."""
        return Descent(self.steps, self.learning_rate)

    @classmethod
    def of(cls, preset: str, **changes: Any) -> LearnConfig:
        """A preset with what is given (and not None) put in its place."""
        given = {name: value for name, value in changes.items() if value is not None}
        return cls(**{**find_preset(preset).learn, "preset": preset, **given})

    def recipe(self) -> dict[str, Any]:
        """What the file says of how it was learnt."""
        numbers = asdict(replace(self, timesteps=None))
        numbers["timesteps"] = repr(self.timesteps) if self.timesteps else "uniform"
        del numbers["seed"]
        suggested = PRESETS[self.preset].apply if self.preset in PRESETS else {}
        return {"method": "motion inversion", "optimiser": str(self.descent()), "apply": suggested, **numbers}


@dataclass(frozen=True)
class Learnt:
    """The embedding, on the CPU in float32, and the loss of each step."""

    embedding: MotionEmbedding
    losses: list[float]


def fit(
    denoiser: Denoiser,
    latents: Tensor,
    text: Tensor,
    config: LearnConfig = LearnConfig(),
    callback: Callback | None = None,
    mask: Tensor | None = None,
) -> Learnt:
    """Learn the motion of `latents` (K, C, N, h, w) under `text` (K, L, D), or (1, L, D) for all.

    K: versions of one clip that move alike and look different; usually one. A step sees one of them, so that what
    they do not share is not learnt (ours).
    mask: (N, h, w) weights of the loss in 0..1, so that one subject's motion is learnt out of several.
    The model is as before when this ends, however it ends; global random state is not touched; the same seed gives
    the same embedding. Raises OptionError, ModelError, MemoryShortage.
    """
    _check_latents(latents, mask)
    if len(text) not in (1, len(latents)):
        raise OptionError(f"there are {len(text)} prompts for {len(latents)} versions of the clip; give 1, or 1 each")
    text = text.expand(len(latents), -1, -1)
    sites = select_sites(find_sites(denoiser.module), config.sites)
    layers = choose_layers(find_modules_by_level(denoiser.module), config.memory)
    with frozen(denoiser.module), explained(config.memory, latents):
        grids = measure_grids(denoiser, sites, latents[:1], text[:1])
        embedding = MotionEmbedding.zeros(
            family_of(denoiser.module), sites, grids, latents.shape[2], config.layout, latents.device, config.spatial
        )
        draws, weight = _Draws(denoiser, latents, config), _loss_weight(mask, latents)

        def draw() -> Losses:
            yield draws.loss(text, weight), embedding.parameters

        # the injection stays until backward is done: checkpointing computes the forward again
        with checkpointed(layers), inject(denoiser.module, embedding), torch.enable_grad():
            losses = config.descent().follow(embedding.parameters, draw, is_half(denoiser), callback)
    return Learnt(embedding.detached().moved("cpu"), losses)


class _Draws:
    """The random part of a step, from the config's seed alone."""

    def __init__(self, denoiser: Denoiser, latents: Tensor, config: LearnConfig):
        self.denoiser, self.latents = denoiser, latents
        self.terms = parse_objective(config.objective)
        self.timesteps = config.timesteps or Uniform(0, denoiser.schedule.steps)
        if self.timesteps.quantile(1.0) > denoiser.schedule.steps:
            raise OptionError(
                f"timesteps are {self.timesteps} and the model has {denoiser.schedule.steps}; go no higher"
            )
        self.generator = torch.Generator().manual_seed(config.seed)

    def loss(self, text: Tensor, weight: Tensor | None) -> Tensor:
        version = int(torch.randint(len(self.latents), (1,), generator=self.generator)) if len(self.latents) > 1 else 0
        x0, text = self.latents[version : version + 1], text[version : version + 1]
        t = self.timesteps.sample(1, self.generator)
        anchor = int(torch.randint(x0.shape[2], (1,), generator=self.generator))
        eps = torch.randn(x0.shape, generator=self.generator).to(x0)
        schedule = self.denoiser.schedule
        predicted = self.denoiser.predict(schedule.add_noise(x0, eps, t), t.to(x0.device), text)
        if weight is not None:
            predicted = eps + weight * (predicted - eps)  # an error outside the mask is none, in every objective
        return evaluate_objective(self.terms, predicted, eps, anchor, schedule.alpha_bars[t])


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
        lower = "fewer frames or a smaller size" if memory == "low" else "memory 'low', fewer frames or a smaller size"
        raise MemoryShortage(
            f"learning on {n} frames of {h}x{w} latents ran out of memory ({said}); use {lower}"
        ) from error
