"""The losses of training steps, one for each term of a recipe, from a seed alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..diffusion.denoiser import Condition, Denoiser
from ..diffusion.noise_samples import NoiseSample, NoiseSampler, move_noise
from ..diffusion.objectives import Terms, evaluate_objective, parse_objective
from ..diffusion.timesteps import TimestepSampler, Uniform
from ..errors import OptionError
from ..hooks.live_switch import LiveSwitch, applied_by_a_forward, switched_off
from ..models.families import Recognized
from ..recipes.loss_term import CLIP, FEATURES, FRAME, MOTION, LossTerm
from ..recipes.recipe import Recipe
from .examples import Example, ReferenceSet, loss_weight
from .feature_matching import FeatureSites, match_features
from .loop import Losses
from .parts import TrainedParts


@dataclass(frozen=True)
class Noised:
    """A clip at a noise level t (1,). z: the noisy clip; target: what the model should predict, both (1, C, N, h, w);
    anchor: a frame.
    """

    z: Tensor
    target: Tensor
    t: Tensor
    anchor: int
    condition: Condition
    weight: Tensor | None = None

    def frame(self, number: int) -> Noised:
        """Returns one of its frames as a clip."""
        kept = slice(number, number + 1)
        return replace(self, z=self.z[:, :, kept], target=self.target[:, :, kept], anchor=0, weight=None)


LossFunction = Callable[[Noised], Tensor]


class StepLosses:
    """Computes the losses of one step after another. switches: of the attached parts, by name. Raises OptionError."""

    def __init__(
        self,
        denoiser: Denoiser,
        model: Recognized,
        recipe: Recipe,
        references: ReferenceSet,
        *,
        parts: TrainedParts,
        switches: dict[str, LiveSwitch],
        seed: int,
    ):
        self.denoiser, self.parts, self.switches = denoiser, parts, switches
        self.references = references
        self.terms = [term for term in recipe.terms if references.find_examples(term.data)]
        self.timesteps = recipe.timesteps or Uniform(0, denoiser.schedule.steps)
        self.weight = None if references.mask is None else loss_weight(references.mask, references.first)
        self.generator = torch.Generator().manual_seed(seed)
        self.functions = {term: self._make_function(term, model) for term in self.terms}
        if self.weight is not None and any(term.objective == FEATURES for term in self.terms):
            raise OptionError(f"the recipe {recipe.name} compares attention maps and takes no mask; leave it out")

    @property
    def clip_term(self) -> LossTerm:
        """The term of the whole reference clip, which takes the most memory."""
        return next(term for term in self.terms if term.data == CLIP)

    def draw(self) -> Losses:
        """Yields one loss after another, each with the parameters that it changes."""
        clip = self._noised(self.references.clips, self._sample(self.references.clips, self.timesteps))
        drawn = [term for term in self.terms if term.probability == 1 or self._is_drawn(term.probability)]
        resting = {term.trains for term in self.terms} - {term.trains for term in drawn}
        for term in drawn:
            noised = self._find_data(term, clip)
            for name, switch in self.switches.items():
                switch.active = name in term.applied and name not in resting
            yield self.functions[term](noised), self.parts.changed_by(term.trains)

    def evaluate(self, sample: NoiseSample) -> Tensor:
        """Returns the loss of the whole clip under a noise sample."""
        for switch in self.switches.values():
            switch.active = True
        return self.functions[self.clip_term](self._noised(self.references.clips, sample))

    def evaluate_clean(self) -> Tensor:
        """Returns the loss of the first clip without noise: a forward that draws nothing."""
        first = self.references.clips[0].latents
        t = torch.zeros(1, dtype=torch.long)
        return self.evaluate(NoiseSample(0, t, 0, torch.zeros(first.shape)))

    def _find_data(self, term: LossTerm, clip: Noised) -> Noised:
        if term.data == CLIP:
            return clip
        if term.data == FRAME:
            return clip.frame(int(torch.randint(clip.z.shape[2], (1,), generator=self.generator)))
        examples = self.references.find_examples(term.data)
        return self._noised(examples, self._sample(examples, term.timesteps or self.timesteps))

    def _is_drawn(self, probability: float) -> bool:
        return bool(torch.rand(1, generator=self.generator) < probability)

    def _sample(self, examples: Sequence[Example], timesteps: TimestepSampler) -> NoiseSample:
        return NoiseSampler(timesteps, [each.latents.shape for each in examples], self.generator).draw()

    def _noised(self, examples: Sequence[Example], sample: NoiseSample) -> Noised:
        example = examples[sample.clip]
        eps = move_noise(sample.eps, example.latents)
        schedule = self.denoiser.schedule
        t = schedule.level_at(sample.t)
        z, target = schedule.add_noise(example.latents, eps, t), schedule.target(example.latents, eps)
        weight = self.weight if examples is self.references.clips else None
        return Noised(z, target, t, sample.anchor, example.condition, weight)

    def _make_function(self, term: LossTerm, model: Recognized) -> LossFunction:
        if term.objective == FEATURES:
            sites = FeatureSites.find(model)
            return lambda noised: self._compare_features(noised, sites)
        objective = parse_objective(term.objective)
        return lambda noised: self._compare_predictions(noised, objective)

    def _compare_predictions(self, noised: Noised, objective: Terms) -> Tensor:
        predicted = self._predict(noised)
        if noised.weight is not None:
            # an error outside the mask becomes zero, whatever the objective
            predicted = noised.target + noised.weight * (predicted - noised.target)
        alpha_bar = self.denoiser.schedule.error_alpha_bar(noised.t)
        return evaluate_objective(objective, predicted, noised.target, anchor=noised.anchor, alpha_bar=alpha_bar)

    def _compare_features(self, noised: Noised, sites: FeatureSites) -> Tensor:
        predicted = self._predict(noised)
        with switched_off(self.switches[MOTION]):  # features are those of the model without the motion
            return match_features(
                self.denoiser,
                sites,
                noised.z,
                noised.t,
                predicted=predicted,
                target=noised.target,
                conditions=[noised.condition],
            )

    def _predict(self, noised: Noised) -> Tensor:
        for switch in self.switches.values():
            switch.frames = noised.z.shape[2]
        with applied_by_a_forward(self.switches.values()):
            return self.denoiser.predict(noised.z, noised.t, [noised.condition])
