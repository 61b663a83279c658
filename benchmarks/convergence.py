"""How much sooner learning reaches the loss that the official way ends at: the same clips of the starter model, each
way in turn. The loss is that on draws that no way learns from, the same for all; looking at it is not timed.

`python -m benchmarks.convergence` takes the official code's 400 steps as `benchmarks.learning` emulates them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor

from motion_core.backbones import family_of, find_modules_by_level, find_sites, select_sites
from motion_core.backbones.zeroscope.loading import VideoModel, load_model
from motion_core.descent import Descent
from motion_core.draws import Draw, Draws
from motion_core.embedding import MotionEmbedding
from motion_core.evaluation.material import open_material
from motion_core.freezing import frozen
from motion_core.injection import inject
from motion_core.kernels import in_fast_kernels
from motion_core.learning import measure_grids
from motion_core.memory import in_mode
from motion_core.pool import Pool, make_pool
from motion_core.prefix import Prefix
from motion_core.starter.folder import find_starter
from motion_core.timesteps import parse_timesteps

from .learning import OFFICIAL, TABLE_FRAMES, Tables, say_machine

LOOKS = 16
"""Draws that the loss is looked at on."""
EVERY = 20
"""Steps between two looks."""


@dataclass(frozen=True)
class Way:
    """How to learn. official: with all that the official code does; pool: of so many draws, 0 for ever new noise."""

    name: str
    steps: int
    rate: float
    official: bool = False
    flat: bool = False
    pool: int = 0
    timesteps: str = "all"


WAYS = (
    Way(OFFICIAL, 400, 2e-2, official=True),
    Way("`official`, our step", 400, 2e-2),
    Way("`fast`", 200, 5e-2, flat=True),
    Way("`fast`, from a pool of 50", 200, 5e-2, flat=True, pool=50),
    Way("`fast`, high noise more often", 200, 5e-2, flat=True, timesteps="coarse:0.5"),
)


@dataclass(eq=False)
class Course:
    """What a way did on a clip: (step, processor seconds so far, loss) at each look."""

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
            self.grids = measure_grids(model.denoiser, self.sites, self.latents, self.text)
        self.layers = find_modules_by_level(self.module)
        self.unseen = self._draws(1, "all").draw_spread(LOOKS)

    def _draws(self, seed: int, timesteps: str) -> Draws:
        generator = torch.Generator().manual_seed(seed)
        return Draws(parse_timesteps(timesteps), 1, self.latents.shape, generator)

    def _predict(self, draw: Draw, text: Tensor) -> Tensor:
        noisy = self.model.denoiser.schedule.add_noise(self.latents, draw.eps, draw.t)
        return self.model.denoiser.predict(noisy, draw.t, text)

    def _loss(self, draw: Draw, text: Tensor) -> Tensor:
        return (self._predict(draw, text) - draw.eps).square().mean()

    def follow(self, way: Way, limit: int) -> Course:
        """Learn that way, in no more steps than the limit."""
        course, steps = Course(), min(way.steps, limit)
        with ExitStack() as stack:
            start = time.process_time()
            parameters, step, look = self._begin(way, stack)
            optimiser = Descent(learning_rate=way.rate).optimiser(parameters)
            spent = time.process_time() - start
            for number in range(1, steps + 1):
                start = time.process_time()
                optimiser.zero_grad(set_to_none=True)
                step().backward()
                optimiser.step()
                spent += time.process_time() - start
                if number % EVERY == 0 or number == steps:
                    course.looks.append((number, spent, look()))
        return course

    def _begin(self, way: Way, stack: ExitStack) -> tuple[Sequence[Tensor], Callable[[], Tensor], Callable[[], float]]:
        """What is learnt, the loss of a next step, and the loss that is looked at, while the stack lasts."""
        stack.enter_context(frozen(self.module))
        frames = TABLE_FRAMES if way.official else self.latents.shape[2]
        embedding = MotionEmbedding.zeros(family_of(self.module), self.sites, self.grids, frames)
        for parameter in embedding.parameters:
            parameter.requires_grad_()
        if way.flat:
            stack.enter_context(in_fast_kernels(self.module))
        stack.enter_context(in_mode("low" if way.official else "fast", self.layers, self.latents.device))
        stack.enter_context(inject(self.module, Tables(**vars(embedding)) if way.official else embedding))
        draws = self._draws(0, way.timesteps)
        pool = self._fill_pool(way, draws) if way.pool else None
        if pool:
            stack.enter_context(pool.prefix.at_work())

        def step() -> Tensor:
            self.module.train(way.official)
            text = self.model.encode_text([self.caption]) if way.official else self.text
            return self._loss((pool or draws).draw(), text)

        def look() -> float:
            self.module.eval()
            if pool:
                pool.prefix.state = None
            with torch.no_grad():
                return torch.stack([self._loss(draw, self.text) for draw in self.unseen]).mean().item()

        return embedding.parameters, step, look

    def _fill_pool(self, way: Way, draws: Draws) -> Pool:
        prefix = Prefix.find(self.module, self.sites, lambda: self._predict(self.unseen[0], self.text))
        return make_pool(way.pool, way.steps, draws, prefix, self.latents.device, 0)


def measure(model: VideoModel, clips: Sequence[str], sites: str, limit: int) -> str:
    """The table: each way on each clip, the official one first."""
    tracks = [Track(model, name, sites) for name in clips]
    courses = {way: [track.follow(way, limit) for track in tracks] for way in WAYS}
    marks = [course.looks[-1] for course in courses[WAYS[0]]]
    head = [
        "| learning | steps to that loss | seconds | times sooner | loss at its end |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join(head + [_describe(way, courses[way], marks) for way in WAYS])


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
