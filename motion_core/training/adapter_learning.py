"""Learns an adapter from reference clips as a recipe says, on a model that stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Generator, Tensor

from ..diffusion.denoiser import Denoiser
from ..diffusion.noise_samples import send
from ..diffusion.objectives import evaluate_objective, noise_mse, parse_objective
from ..diffusion.timesteps import TimestepSampler, Uniform
from ..errors import OptionError
from ..hooks.adapter_hooks import Adaptation, adapt
from ..memory.freezing import frozen
from ..memory.modes import in_mode
from ..models.family import family_of, find_adaptable_layers, find_modules_by_level
from ..models.layers import select_layers
from ..motions.adapter import Adapter
from ..recipes.recipe import FEATURES, Recipe
from .early_stop import AppearanceStop
from .examples import Example, ReferenceSet, draw_example
from .feature_matching import FeatureSites, match_features
from .loop import Callback, Losses
from .train import explained, is_half

LOOKS_REST = 0.2
"""The share of steps in which the adapter of the looks does not take part (MotionDirector's code)."""
SUBJECT_TIMESTEPS = Uniform(0, 1000)
"""Where subjects are learnt: looks are decided at every noise level, the fine ones too (ours)."""


@dataclass(frozen=True)
class LearntAdapter:
    """The adapter, on the CPU in float32, and the loss of each step. looks: what the file says of an early stop."""

    adapter: Adapter
    losses: list[float]
    looks: dict[str, Any] = field(default_factory=dict)


def fit_adapter(
    denoiser: Denoiser,
    references: ReferenceSet,
    recipe: Recipe,
    seed: int = 0,
    callback: Callback | None = None,
    stop: AppearanceStop | None = None,
) -> LearntAdapter:
    """Learn what the reference clips share. stop: may end it early and chooses among what was learnt.

    The model is as before when this ends, however it ends; global random state is not touched; the same seed gives
    the same adapter, looked at or not. Raises OptionError, ModelError, MemoryShortage.
    """
    if recipe.regularised and not references.regularisation:
        raise OptionError(
            f"the recipe {recipe.name} needs clips that do not show the motion; give a regularisation set"
        )
    first = references.clips[0].latents
    with ExitStack() as stack:
        stack.enter_context(explained(recipe.memory, first))
        motion = _start(denoiser, recipe, recipe.layers, seed, first.device)
        looks = _start(denoiser, recipe, recipe.looks, seed + 1, first.device) if recipe.looks else None
        stack.enter_context(frozen(denoiser.module))
        stack.enter_context(in_mode(recipe.memory, find_modules_by_level(denoiser.module), first.device))
        feel = stack.enter_context(adapt(denoiser.module, motion))
        see = stack.enter_context(adapt(denoiser.module, looks)) if looks else None
        stack.enter_context(torch.enable_grad())
        teacher = _Teacher(denoiser, references, recipe, seed, motion, feel, looks, see)
        if references.subjects:
            teacher.within_frames = _find_within_frames(denoiser, recipe, motion)
        parameters = [*motion.parameters, *(looks.parameters if looks else [])]

        def after(step: int, loss: float) -> bool:
            ended = bool(callback and callback(step, loss))
            if stop is None or not stop.is_due(step, recipe.descent.steps):
                return ended
            with torch.no_grad(), _resting(feel, see):  # the preview feels the copy alone, as a sampling would
                return stop.look(step, motion.detached()) or ended

        losses = recipe.descent.follow(parameters, teacher.draw, is_half(denoiser), after)
    kept = stop.kept if stop and stop.kept else motion.detached()
    return LearntAdapter(kept.moved("cpu"), losses, stop.describe() if stop else {})


def _find_within_frames(denoiser: Denoiser, recipe: Recipe, motion: Adapter) -> list[Tensor]:
    """What of the adapter does not work along time: all that a single frame may change."""
    layers = [layer for layer in find_adaptable_layers(denoiser.module) if not layer.temporal]
    found = [tensor for layer in layers if layer.name in motion.parts for tensor in motion.parts[layer.name].tensors]
    if not found:
        raise OptionError(
            f"the recipe {recipe.name} changes nothing within frames, where a subject's looks would be learnt; "
            "leave the subjects out, or take customizing_motion"
        )
    return found


@contextmanager
def _resting(*adaptations: Adaptation | None) -> Iterator[None]:
    """Within the block the model feels none of them."""
    live = [(each, each.active) for each in adaptations if each]
    try:
        for each, _ in live:
            each.active = False
        yield
    finally:
        for each, active in live:
            each.active = active


def _start(denoiser: Denoiser, recipe: Recipe, which: str, seed: int, device: torch.device) -> Adapter:
    layers = select_layers(find_adaptable_layers(denoiser.module), which)
    family = family_of(denoiser.module)
    if recipe.kind == "weights":
        return Adapter.deltas(family, layers).moved(device)
    return Adapter.low_rank(family, [layer for layer in layers if len(layer.shape) == 2], recipe.rank, seed=seed).moved(
        device
    )


@dataclass(frozen=True)
class _Noised:
    """A clip at a noise level. z = what is seen of x0 under eps at t; all (1, C, N, h, w), t (1,)."""

    z: Tensor
    eps: Tensor
    t: Tensor
    text: Tensor

    def frame(self, number: int) -> _Noised:
        """One of its frames as a clip."""
        kept = slice(number, number + 1)
        return replace(self, z=self.z[:, :, kept], eps=self.eps[:, :, kept])


class _Teacher:
    """The losses of a step, from the seed alone."""

    def __init__(
        self,
        denoiser: Denoiser,
        references: ReferenceSet,
        recipe: Recipe,
        seed: int,
        motion: Adapter,
        feel: Adaptation,
        looks: Adapter | None,
        see: Adaptation | None,
    ):
        self.denoiser, self.references, self.recipe = denoiser, references, recipe
        self.motion, self.feel, self.looks, self.see = motion, feel, looks, see
        self.within_frames: list[Tensor] = []
        self.generator = Generator().manual_seed(seed)
        self.judge = self._choose_judge()

    def draw(self) -> Losses:
        """One loss after another, each with what it changes."""
        noised = self._noise(draw_example(self.references.clips, self.generator))
        if self.looks and self.see:
            frame = int(torch.randint(noised.z.shape[2], (1,), generator=self.generator))
            self.see.active = bool(torch.rand(1, generator=self.generator) >= LOOKS_REST)
            if self.see.active:
                self.feel.active = False
                still = noised.frame(frame)
                yield noise_mse(self._predict(still), still.eps), self.looks.parameters
        self.feel.active = True
        yield self.judge(noised), self.motion.parameters
        if self.references.regularisation:
            other = self._noise(draw_example(self.references.regularisation, self.generator))
            yield noise_mse(self._predict(other), other.eps), self.motion.parameters
        if self.references.subjects:
            subject = self._noise(draw_example(self.references.subjects, self.generator), SUBJECT_TIMESTEPS)
            yield noise_mse(self._predict(subject), subject.eps), self.within_frames

    def _choose_judge(self) -> Callable[[_Noised], Tensor]:
        if self.recipe.objective == FEATURES:
            sites = FeatureSites.find(self.denoiser.module)
            return lambda noised: self._judge_features(noised, sites)
        terms = parse_objective(self.recipe.objective)
        return lambda noised: self._judge_prediction(noised, terms)

    def _judge_prediction(self, noised: _Noised, terms) -> Tensor:
        anchor = int(torch.randint(noised.z.shape[2], (1,), generator=self.generator))
        alpha_bar = self.denoiser.schedule.alpha_bars[noised.t]
        return evaluate_objective(terms, self._predict(noised), noised.eps, anchor, alpha_bar)

    def _judge_features(self, noised: _Noised, sites: FeatureSites) -> Tensor:
        predicted = self._predict(noised)
        self.feel.active = False  # the model that judges is the one without the adapter
        loss = match_features(self.denoiser, sites, noised.z, noised.t, predicted, noised.eps, noised.text)
        self.feel.active = True
        return loss

    def _noise(self, example: Example, timesteps: TimestepSampler | None = None) -> _Noised:
        t = (timesteps or self.recipe.timesteps).sample(1, self.generator)
        eps = send(torch.randn(example.latents.shape, generator=self.generator), example.latents)
        z = self.denoiser.schedule.add_noise(example.latents, eps, t)
        return _Noised(z, eps, t, example.text)

    def _predict(self, noised: _Noised) -> Tensor:
        return self.denoiser.predict(noised.z, noised.t, noised.text)
