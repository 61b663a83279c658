"""How much sooner training reaches the loss at which the official training ends: the same clips of the starter model,
each plan in turn. The loss is on noise samples that no plan trains on, the same for all; computing it is not timed.

`python -m benchmarks.convergence` takes the official code's 400 steps as `benchmarks.variants` emulates them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor

from motion_core.diffusion.noise_samples import NoiseSample, NoiseSampler
from motion_core.diffusion.timesteps import parse_timesteps
from motion_core.evaluation.material.synthetic import Synthetic
from motion_core.models.families import find_sites
from motion_core.models.sites import select_sites
from motion_core.models.video_model import VideoModel
from motion_core.models.zeroscope.loading import load_model
from motion_core.recipes.motion_inversion import FAST, OFFICIAL
from motion_core.recipes.optimizer_settings import OptimizerSettings
from motion_core.recipes.recipe import Recipe
from motion_core.starter.folder import find_starter
from motion_core.training.examples import Example
from motion_core.training.loop import Losses, minimize
from motion_core.training.parts import measure_grids

from .machine import describe_machine
from .variants import OFFICIAL as OFFICIAL_STEP
from .variants import TrainedModel, Variant

VALIDATION_SAMPLES = 16
"""Noise samples that the loss is computed on."""
EVERY = 20
"""Steps between two computations."""


@dataclass(frozen=True)
class Plan:
    """A variant of the step, with how many steps at which rate and noise levels."""

    variant: Variant
    optimizer: OptimizerSettings
    timesteps: str = "all"

    @classmethod
    def of(cls, recipe: Recipe, variant: Variant, timesteps: str = "all") -> Plan:
        return cls(variant, recipe.optimizer, timesteps)


PLANS = (
    Plan.of(OFFICIAL, Variant(OFFICIAL_STEP, "low", official=True)),
    Plan.of(OFFICIAL, Variant("`official`, our step")),
    Plan.of(FAST, Variant("`fast`", fast_kernels=True)),
    Plan.of(FAST, Variant("`fast`, high noise more often", fast_kernels=True), "coarse:0.5"),
)


@dataclass(eq=False)
class Course:
    """The validation losses of a plan on a clip: (step, processor seconds so far, loss)."""

    losses: list[tuple[int, float, float]] = field(default_factory=list)

    def reaches(self, loss: float) -> tuple[int, float] | None:
        """Returns the step and the seconds at which the loss was this low."""
        return next(((step, seconds) for step, seconds, found in self.losses if found <= loss), None)


class ConvergenceRun:
    """A clip that the plans train on, on the starter model."""

    def __init__(self, model: VideoModel, name: str, which: str):
        reference = Synthetic((name,)).reference(name)
        self.model, self.module, self.caption = model, model.denoiser.module, reference.caption
        with torch.no_grad():
            self.latents, self.text = model.encode(reference.clip.frames), model.encode_text([reference.caption])
            sites = select_sites(find_sites(self.module), which)
            grids = measure_grids(model.denoiser, sites, Example(self.latents, self.text[0]))
        self.trained = TrainedModel(self.module, sites, grids, self.latents.shape[2], self.latents.device)
        self.unseen = self._sampler(1, "all").draw_stratified(VALIDATION_SAMPLES)

    def train(self, plan: Plan, limit: int) -> Course:
        """Trains by a plan, in no more steps than the limit."""
        course, steps = Course(), min(plan.optimizer.steps, limit)
        started = time.process_time()
        with self.trained.training(plan.variant) as embedding:
            sampler = self._sampler(0, plan.timesteps)
            validating = 0.0

            def draw_losses() -> Losses:
                self.module.train(plan.variant.official)
                text = self.model.encode_text([self.caption]) if plan.variant.official else self.text
                yield self._loss(sampler.draw(), text), embedding.parameters

            def observe(step: int) -> bool:
                nonlocal validating
                now = time.process_time()
                course.losses.append((step, now - started - validating, self._validate()))
                validating += time.process_time() - now
                return False

            settings = OptimizerSettings(steps, plan.optimizer.learning_rate, steady=plan.optimizer.steady)
            every = min(EVERY, steps)
            minimize(
                embedding.parameters,
                draw_losses,
                settings,
                half=False,
                is_due=lambda step: step % every == 0,
                observe=observe,
            )
        return course

    def _sampler(self, seed: int, timesteps: str) -> NoiseSampler:
        generator = torch.Generator().manual_seed(seed)
        return NoiseSampler(parse_timesteps(timesteps), [self.latents.shape], generator)

    def _loss(self, sample: NoiseSample, text: list[Tensor]) -> Tensor:
        noisy = self.model.denoiser.schedule.add_noise(self.latents, sample.eps, sample.t)
        return (self.model.denoiser.predict(noisy, sample.t, text) - sample.eps).square().mean()

    @torch.no_grad()
    def _validate(self) -> float:
        self.module.eval()
        return torch.stack([self._loss(sample, self.text) for sample in self.unseen]).mean().item()


def measure(model: VideoModel, clips: Sequence[str], which: str, limit: int) -> str:
    """Measures the table: each plan on each clip, the official one first."""
    runs = [ConvergenceRun(model, name, which) for name in clips]
    courses = {plan.variant: [run.train(plan, limit) for run in runs] for plan in PLANS}
    targets = [course.losses[-1] for course in courses[PLANS[0].variant]]
    head = [
        "| learning | steps to that loss | seconds | times sooner | loss at its end |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join(head + [_describe(variant, found, targets) for variant, found in courses.items()])


def _describe(variant: Variant, courses: Sequence[Course], targets: Sequence[tuple[int, float, float]]) -> str:
    """A row: medians over the clips, the range of the ratio, and how many clips reach the target if not all do."""
    found = [course.reaches(loss) for course, (_, _, loss) in zip(courses, targets, strict=True)]
    reached = [(*each, target[1] / each[1]) for each, target in zip(found, targets, strict=True) if each]
    end = f"{median(course.losses[-1][2] for course in courses):.4f}"
    if not reached:
        return f"| {variant.name} | never | | | {end} |"
    steps, seconds, ratios = zip(*reached, strict=True)
    sooner = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    if len(reached) < len(courses):
        sooner += f", on {len(reached)} of {len(courses)} clips"
    cells = (variant.name, f"{median(steps):g}", f"{median(seconds):.1f}", "1" if variant.official else sooner, end)
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clips", nargs="+", default=["figure_eight", "hops"])
    parser.add_argument("--sites", default="all", help="deepest or all (the default)")
    parser.add_argument("--limit", type=int, default=10_000, help="steps at most, for a trial")
    given = parser.parse_args(arguments)
    torch.manual_seed(0)  # of the official way's dropout
    model = load_model(find_starter(), "cpu")
    print(measure(model, given.clips, given.sites, given.limit), end="\n\n")
    where = describe_machine(torch.device("cpu"))
    print(f"{where}; medians over {len(given.clips)} clips, range of the ratio in brackets")


if __name__ == "__main__":
    main()
