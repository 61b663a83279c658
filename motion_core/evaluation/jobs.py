"""Runs the jobs of a suite: a reference clip, what is trained on it in one way, and the methods that apply it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..diffusion.initial_noise import mix
from ..errors import OptionError
from ..hooks.applied import AppliedMotion
from ..models.loading import load_video_model
from ..motions.motion import Motion
from ..pipeline import References, guide_by_clip, invert_clip, train_motion
from ..recipes.recipe import Recipe
from ..sampling.sample import sample
from ..starter.folder import find_model
from .cache import MotionCache, digest, fingerprint, fingerprint_code
from .cost import Cost
from .material.opening import open_material
from .material.protocol import Material, Sample
from .result import Result, encode_strip
from .suite import Method, Suite

_ABOUT_THE_TABLE = ("name", "over", "lines")


@dataclass(frozen=True)
class EvaluationJob:
    """All methods that apply what is trained on a clip in one way."""

    clip: str
    methods: tuple[str, ...]


def plan(suite: Suite, material: Material) -> list[EvaluationJob]:
    """Plans the jobs of a suite, one clip after another, so that the first clips' rows are complete early."""

    def training(method: Method) -> str:
        return digest(asdict(method)["learn"], method.guide, method.colourings, method.backwards, method.material)

    methods = sorted(suite.methods, key=training)
    groups = [tuple(method.name for method in group) for _, group in groupby(methods, key=training)]
    return [EvaluationJob(clip, group) for clip in material.names for group in groups]


class JobRunner:
    """A suite that is ready to run. folder: where trained motions are kept."""

    def __init__(self, suite: Suite, folder: Path, device: str | None = None):
        self.suite, self.folder = suite, folder
        self.material = open_material(suite.material)
        self.model = load_video_model(find_model(suite.model), device)
        self.weights = fingerprint(self.model.denoiser.module, self.model.vae, self.model.text_encoder)
        self.cache = MotionCache(folder / "learnt", self.weights)
        self.methods = {method.name: method for method in suite.methods}
        self.inverted = lru_cache(maxsize=2)(self._invert)
        self.materials = {method.name: open_material(suite.material_of(method)) for method in suite.methods}

    @cached_property
    def jobs(self) -> list[EvaluationJob]:
        return plan(self.suite, self.material)

    def cells(self, job: EvaluationJob) -> Iterator[tuple[str, Method, Sequence[Sample]]]:
        """Yields (key, method, samples of one batch). The key names all that the scores depend on."""
        for name in job.methods:
            method = self.methods[name]
            samples = self._samples(job.clip, method)
            others = self._material_but_clips(method)
            settings = {key: value for key, value in asdict(method).items() if key not in _ABOUT_THE_TABLE}
            config = repr((self.suite.recipe(method), self.suite.guidance(method)))
            together = 1 if method.image else self.suite.batch  # each clip has a negative of its own
            for first in range(0, len(samples), together):
                batch = samples[first : first + together]
                key = digest(self.weights, settings, config, others, self.suite.sampling, job.clip, batch)
                yield key, method, batch

    def run(self, job: EvaluationJob, done: frozenset[str] = frozenset()) -> Iterator[list[Result]]:
        """Yields the cells of a job that are not done, one after another. Raises MotionError."""
        missing = [cell for cell in self.cells(job) if cell[0] not in done]
        if not missing:
            return
        motion, cost = self._find_motion(job.clip, missing[0][1])
        for key, method, samples in missing:
            yield self._generate(key, job.clip, method, samples, motion=motion, cost=cost)

    def sample(self, clip: str, method: Method, samples: Sequence[Sample], motion: Motion | None) -> list[Tensor]:
        """Samples clips (N, H, W, 3) as one batch."""
        model, generate, steps = self.model, self.suite.generate, self.suite.steps(method)
        material = self.materials[method.name]
        reference = material.reference(clip, backwards=method.backwards, frames=method.frames)
        start = self.suite.initial_noise(method)
        like = model.encode(reference.clip.frames)
        inverted = None if start["method"] == "random" else self.inverted(clip, method.name)
        noise = torch.cat([mix(inverted=inverted, random=draw_noise(each, like), **start) for each in samples])
        config = self.suite.guidance(method)
        guidance = None
        if config:
            guidance = guide_by_clip(model, reference.clip, reference.caption, config, steps=steps)
        positive = list(model.encode_text([each.prompt for each in samples]))
        negative = model.encode_text([generate.negative])[0]
        if method.image:
            (image,) = (material.first_frame(clip, each) for each in samples)  # one at a time, see `cells`
            frames = len(reference.clip.frames)
            positive = [model.add_image(positive[0], image, frames)]
            negative = model.add_image(negative, image, frames)
        latents = sample(
            model.denoiser,
            noise,
            positive,
            negative,
            motions=[AppliedMotion.of(motion, **method.apply)] if motion is not None else [],
            steps=steps,
            scale=generate.guidance,
            guidance=guidance,
        )
        return [model.decode(each[None]) for each in latents]

    def _samples(self, clip: str, method: Method) -> list[Sample]:
        samples = self.materials[method.name].samples(clip, self.suite.seeds)
        return [replace(each, prompt=method.prompt.replace("{}", each.prompt)) for each in samples]

    def _material_but_clips(self, method: Method) -> dict[str, Any]:
        """What a result depends on besides its own clip: a run of some clips is then part of a run of all."""
        return {name: value for name, value in self.suite.material_of(method).items() if name != "clips"}

    def _find_motion(self, clip: str, method: Method) -> tuple[Motion | None, Cost]:
        recipe = self.suite.recipe(method)
        if recipe is None:
            return None, Cost()
        settings = {
            "recipe": repr(recipe),
            "clip": clip,
            "material": self._material_but_clips(method),
            "backwards": method.backwards,
        }
        return self.cache.motion(clip, settings, lambda: self._train(clip, method, recipe))

    def _train(self, clip: str, method: Method, recipe: Recipe) -> Motion:
        material = self.materials[method.name]
        others = material.regularisation(clip) if recipe.needs_regularisation else ()
        references = References(
            material.references(clip, backwards=method.backwards), others, subjects=material.subjects(clip)
        )
        return train_motion(self.model, references, recipe).motion

    def _generate(
        self, key: str, clip: str, method: Method, samples: Sequence[Sample], *, motion: Motion | None, cost: Cost
    ) -> list[Result]:
        material, started = self.materials[method.name], time.monotonic()
        clips = self.sample(clip, method, samples, motion)
        seconds = (time.monotonic() - started) / len(samples)
        return [
            Result(
                key,
                method.name,
                clip,
                each.number,
                each.prompt,
                material.score(clip, each, frames, backwards=method.backwards),
                seconds,
                learnt=asdict(cost) if motion is not None else {},
                date=date.today().isoformat(),
                code=fingerprint_code(),
                strip=encode_strip(frames) if each is samples[0] else b"",
            )
            for each, frames in zip(samples, clips, strict=True)
        ]

    def _invert(self, clip: str, name: str) -> Tensor:
        method = self.methods[name]
        reference = self.materials[name].reference(clip, backwards=method.backwards, frames=method.frames)
        return invert_clip(self.model, reference.clip, self.suite.steps(method))


def draw_noise(sample: Sample, like: Tensor) -> Tensor:
    """Draws a sample's random noise on the CPU, like the latents."""
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(sample.noise)).to(like)


def check_needs(runner: JobRunner) -> None:
    """Refuses before minutes of work what would fail at their end. Raises OptionError."""
    first = runner.material.names[0]
    for method in runner.suite.methods:
        recipe = runner.suite.recipe(method)
        if recipe and recipe.needs_regularisation and not runner.materials[method.name].regularisation(first):
            raise OptionError(
                f"{method.name!r} needs clips without the motion; name a folder of them as material.others"
            )
