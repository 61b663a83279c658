"""How much sooner learning reaches the loss that the official way ends at: the same clips of the starter model, each
way in turn. The loss is that on draws that no way learns from, the same for all; looking at it is not timed.

`python -m benchmarks.convergence` takes the official code's 400 steps as `benchmarks.ways` emulates them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

import torch
from motion_core.evaluation.material.material import open_material
from motion_core.recipes.presets import find_preset
from motion_core.training.pool import Pool, make_pool
from motion_core.training.prefix import Prefix
from torch import Tensor

from motion_core.diffusion.noise_samples import Draw, Draws
from motion_core.diffusion.timesteps import parse_timesteps
from motion_core.models.family import find_sites
from motion_core.models.sites import select_sites
from motion_core.models.zeroscope.loading import VideoModel, load_model
from motion_core.starter.folder import find_starter
from motion_core.training.loop import Descent, Losses
from motion_core.training.train import measure_grids

from .learning import say_machine
from .ways import OFFICIAL, Learner, Way

LOOKS = 16
"""Draws that the loss is looked at on."""
EVERY = 20
"""Steps between two looks."""


@dataclass(frozen=True)
class Plan:
    """A way, with how many steps at which rate and noise levels."""

    way: Way
    steps: int
    rate: float
    steady: bool = False
    timesteps: str = "all"

    @classmethod
    def of(cls, preset: str, way: Way, timesteps: str = "all") -> Plan:
        learn = find_preset(preset).learn
        return cls(way, learn["steps"], learn["learning_rate"], learn.get("steady", False), timesteps)


PLANS = (
    Plan.of("official", Way(OFFICIAL, "low", official=True)),
    Plan.of("official", Way("`official`, our step")),
    Plan.of("fast", Way("`fast`", flat=True)),
    Plan.of("fast", Way("`fast`, from a pool of 50", flat=True, pool=50)),
    Plan.of("fast", Way("`fast`, high noise more often", flat=True), "coarse:0.5"),
)


@dataclass(eq=False)
class Course:
    """What a plan did on a clip: (step, processor seconds so far, loss) at each look."""

    looks: list[tuple[int, float, float]] = field(default_factory=list)

    def reaches(self, loss: float) -> tuple[int, float] | None:
        """The step and the seconds at which the loss was this low."""
        return next(((step, seconds) for step, seconds, found in self.looks if found <= loss), None)


class Track:
    """A clip that ways learn, on the starter model."""

    def __init__(self, model: VideoModel, name: str, sites: str):
        reference = open_material({"kind": "synthetic", "clips": [name]}).reference(name, False)
        self.model, self.module, self.caption = model, model.denoiser.module, reference.caption
        with torch.no_grad():
            self.latents, self.text = model.encode(reference.clip.frames), model.encode_text([reference.caption])
            self.sites = select_sites(find_sites(self.module), sites)
            grids = measure_grids(model.denoiser, self.sites, self.latents, self.text)
        self.learner = Learner(self.module, self.sites, grids, self.latents.shape[2], self.latents.device)
        self.unseen = self._draws(1, "all").draw_spread(LOOKS)

    def _draws(self, seed: int, timesteps: str) -> Draws:
        generator = torch.Generator().manual_seed(seed)
        return Draws(parse_timesteps(timesteps), 1, self.latents.shape, generator)

    def _predict(self, draw: Draw, text: Tensor) -> Tensor:
        noisy = self.model.denoiser.schedule.add_noise(self.latents, draw.eps, draw.t)
        return self.model.denoiser.predict(noisy, draw.t, text)

    def _loss(self, draw: Draw, text: Tensor) -> Tensor:
        return (self._predict(draw, text) - draw.eps).square().mean()

    def follow(self, plan: Plan, limit: int) -> Course:
        """Learn by that plan, in no more steps than the limit."""
        course, way, steps = Course(), plan.way, min(plan.steps, limit)
        started = time.process_time()
        with ExitStack() as stack:
            embedding = stack.enter_context(self.learner.learning(way))
            draws = self._draws(0, plan.timesteps)
            pool = self._make_pool(plan, draws) if way.pool else None
            if pool:
                stack.enter_context(pool.prefix.at_work())
            looking = 0.0

            def draw() -> Losses:
                self.module.train(way.official)
                text = self.model.encode_text([self.caption]) if way.official else self.text
                yield self._loss((pool or draws).draw(), text), embedding.parameters

            def look(step: int) -> bool:
                nonlocal looking
                now = time.process_time()
                if pool:
                    pool.prefix.state = None
                course.looks.append((step, now - started - looking, self._look()))
                looking += time.process_time() - now
                return False

            descent = Descent(steps, plan.rate, steady=plan.steady)
            descent.follow(embedding.parameters, draw, half=False, look=look, look_every=min(EVERY, steps))
        return course

    @torch.no_grad()
    def _look(self) -> float:
        self.module.eval()
        return torch.stack([self._loss(draw, self.text) for draw in self.unseen]).mean().item()

    def _make_pool(self, plan: Plan, draws: Draws) -> Pool:
        prefix = Prefix.find(self.module, self.sites, lambda: self._predict(self.unseen[0], self.text))
        return make_pool(plan.way.pool, plan.steps, draws, prefix, self.latents.device, None)


def measure(model: VideoModel, clips: Sequence[str], sites: str, limit: int) -> str:
    """The table: each plan on each clip, the official one first."""
    tracks = [Track(model, name, sites) for name in clips]
    courses = {plan.way: [track.follow(plan, limit) for track in tracks] for plan in PLANS}
    marks = [course.looks[-1] for course in courses[PLANS[0].way]]
    head = [
        "| learning | steps to that loss | seconds | times sooner | loss at its end |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join(head + [_describe(way, found, marks) for way, found in courses.items()])


def _describe(way: Way, courses: Sequence[Course], marks: Sequence[tuple[int, float, float]]) -> str:
    """A row: medians over the clips, of the ratio with its range; how many clips where not all reach the mark."""
    found = [course.reaches(loss) for course, (_, _, loss) in zip(courses, marks, strict=True)]
    reached = [(*each, mark[1] / each[1]) for each, mark in zip(found, marks, strict=True) if each]
    end = f"{median(course.looks[-1][2] for course in courses):.4f}"
    if not reached:
        return f"| {way.name} | never | | | {end} |"
    steps, seconds, ratios = zip(*reached, strict=True)
    sooner = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    if len(reached) < len(courses):
        sooner += f", on {len(reached)} of {len(courses)} clips"
    return f"| {way.name} | {median(steps):g} | {median(seconds):.1f} | {'1' if way.official else sooner} | {end} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clips", nargs="+", default=["figure_eight", "hops"])
    parser.add_argument("--sites", default="all", help="deepest or all (the default)")
    parser.add_argument("--limit", type=int, default=10_000, help="steps at most, for a trial")
    given = parser.parse_args(arguments)
    torch.manual_seed(0)  # of the official way's dropout
    model = load_model(find_starter(), "cpu")
    print(measure(model, given.clips, given.sites, given.limit), end="\n\n")
    print(f"{say_machine(torch.device('cpu'))}; medians over {len(given.clips)} clips, range of the ratio in brackets")


if __name__ == "__main__":
    main()
