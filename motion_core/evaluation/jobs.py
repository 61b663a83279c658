"""Does what a suite says, a job at a time: a clip, what is learnt of it in one way, and the methods that feel it."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..diffusion.initial_noise import mix
from ..errors import OptionError
from ..models.zeroscope.loading import load_model
from ..motions.motion import Motion
from ..pipeline import Captioned, Shown, learn_adapter, learn_motion, steer_by
from ..recipes.learn_config import LearnConfig
from ..recipes.recipe import Recipe
from ..sampling.sample import Applied, AppliedAdapter, AppliedMotion, ApplyConfig, invert, sample
from ..starter.folder import find_starter
from ..video.pictures.contact_sheets import draw_strip
from ..video.pictures.recolouring import recolour
from ..video.reading import Clip
from .cache import Shelf, digest, fingerprint, fingerprint_code
from .cost import Cost
from .material.material import Material, Take, open_material
from .suite import STARTER, Method, Suite

STRIP_HEIGHT = 64
"""Pixels of height at least of a row of a contact sheet."""


@dataclass(frozen=True)
class Job:
    """All methods that feel what is learnt of a clip in one way."""

    clip: str
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """One clip that was made. key: names the cell that it belongs to; seconds: of sampling; learnt: what learning
    cost; code: what `fingerprint_code` said then; strip: its frames side by side as PNG, of a cell's first clip.
    """

    key: str
    method: str
    clip: str
    take: int
    prompt: str
    scores: dict[str, float]
    seconds: float
    learnt: dict[str, float] = field(default_factory=dict)
    date: str = ""
    code: str = ""
    strip: bytes = b""


def plan(suite: Suite, material: Material) -> list[Job]:
    """The jobs of a suite, a clip after another, so that the first clips' rows are there early."""

    def way(method: Method) -> str:
        return digest(asdict(method)["learn"], method.steer, method.colourings, method.backwards)

    methods = sorted(suite.methods, key=way)
    groups = [tuple(method.name for method in group) for _, group in groupby(methods, key=way)]
    return [Job(clip, group) for clip in material.names for group in groups]


class Bench:
    """A suite made ready to run. folder: where what is learnt is kept."""

    def __init__(self, suite: Suite, folder: Path, device: str | None = None):
        self.suite, self.folder = suite, folder
        self.material = open_material(suite.material)
        self.model = load_model(find_starter() if suite.model == STARTER else Path(suite.model), device)
        self.weights = fingerprint(self.model.denoiser.module, self.model.vae, self.model.text_encoder)
        self.shelf = Shelf(folder / "learnt", self.weights)
        self.methods = {method.name: method for method in suite.methods}
        self.inverted = lru_cache(maxsize=2)(self._invert)

    @cached_property
    def jobs(self) -> list[Job]:
        return plan(self.suite, self.material)

    def cells(self, job: Job) -> Iterator[tuple[str, Method, Sequence[Take]]]:
        """(key, method, takes that are sampled together); the key names all that the scores depend on."""
        takes = self.material.takes(job.clip, self.suite.seeds)
        others = self._material_but_clips()
        for name in job.methods:
            method = self.methods[name]
            for first in range(0, len(takes), self.suite.batch):
                batch = takes[first : first + self.suite.batch]
                told = {key: value for key, value in asdict(method).items() if key != "name"}
                config = repr((self.suite.learning(method), self.suite.steering(method)))
                key = digest(self.weights, told, config, others, self.suite.sampling, job.clip, batch)
                yield key, method, batch

    def _material_but_clips(self) -> dict[str, Any]:
        """What a result depends on besides its own clip, so that a run of some clips serves one of all."""
        return {name: value for name, value in self.suite.material.items() if name != "clips"}

    def run(self, job: Job, done: frozenset[str] = frozenset()) -> Iterator[list[Result]]:
        """The cells of a job that are not done, one after another. Raises MotionError."""
        wanted = [cell for cell in self.cells(job) if cell[0] not in done]
        if not wanted:
            return
        motion, cost = self._learn(job.clip, wanted[0][1])
        for key, method, takes in wanted:
            yield self._make(key, job.clip, method, takes, motion, cost)

    def _learn(self, clip: str, method: Method) -> tuple[Motion | None, Cost]:
        how = self.suite.learning(method)
        if how is None:
            return None, Cost()
        reference = self.material.reference(clip, method.backwards)
        settings = {
            "how": repr(how),
            "clip": clip,
            "material": self._material_but_clips(),
            "backwards": method.backwards,
            "colourings": method.colourings,
        }
        return self.shelf.motion(clip, settings, lambda: self._learn_anew(clip, reference, method, how))

    def _learn_anew(self, clip: str, reference: Captioned, method: Method, how: LearnConfig | Recipe) -> Motion:
        if isinstance(how, LearnConfig):
            return learn_motion(self.model, reference.clip, reference.caption, how).embedding
        versions = recolour(reference.clip.frames, method.colourings)
        shown = [Captioned(Clip(frames, reference.clip.fps), "") for frames in versions]
        shown[0] = reference  # its caption names the colours of the first alone
        others = self.material.regularisation(clip) if how.regularised else ()
        return learn_adapter(self.model, Shown(shown, others), how).adapter

    def _make(
        self, key: str, clip: str, method: Method, takes: Sequence[Take], motion: Motion | None, cost: Cost
    ) -> list[Result]:
        started = time.monotonic()
        frames = self.sample(clip, method, takes, motion)
        seconds = (time.monotonic() - started) / len(takes)
        today, learnt = date.today().isoformat(), asdict(cost) if motion is not None else {}
        cell = []
        for take, made in zip(takes, frames, strict=True):
            scores = self.material.score(clip, take, made, method.backwards)
            strip = encode_strip(made) if take is takes[0] else b""
            of_take = (key, method.name, clip, take.number, take.prompt, scores)
            cell.append(Result(*of_take, seconds, learnt, today, fingerprint_code(), strip))
        return cell

    def sample(self, clip: str, method: Method, takes: Sequence[Take], motion: Motion | None) -> list[Tensor]:
        """The clips (N, H, W, 3) of some takes, sampled as one batch."""
        model, generate = self.model, self.suite.generate
        reference = self.material.reference(clip, method.backwards)
        start = self.suite.start(method)
        like = model.encode(reference.clip.frames)
        inverted = None if start["method"] == "random" else self.inverted(clip, method.backwards)
        noise = torch.cat([mix(inverted=inverted, random=draw_noise(take, like), **start) for take in takes])
        text = model.encode_text([take.prompt for take in takes])
        negative = model.encode_text([generate.negative]).expand(len(takes), -1, -1)
        steer = self.suite.steering(method)
        steering = steer_by(model, reference.clip, reference.caption, steer, generate.steps) if steer else None
        felt = [self._feel(method, motion)] if motion is not None else []
        latents = sample(model.denoiser, noise, text, negative, felt, generate.steps, generate.guidance, None, steering)
        return [model.decode(each[None]) for each in latents]

    def _feel(self, method: Method, motion: Motion) -> Applied:
        config: Any = self.suite.feeling(method, motion.origin.recipe.get("apply", {}))
        kind: Any = AppliedMotion if isinstance(config, ApplyConfig) else AppliedAdapter
        return kind(motion, config)

    def _invert(self, clip: str, backwards: bool) -> Tensor:
        latents = self.model.encode(self.material.reference(clip, backwards).clip.frames)
        return invert(self.model.denoiser, latents, self.model.encode_text([""]), self.suite.generate.steps)


def draw_noise(take: Take, like: Tensor) -> Tensor:
    """A take's random noise, drawn on the CPU, like the latents."""
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(take.noise)).to(like)


def encode_strip(frames: Tensor) -> bytes:
    """Some frames (N, H, W, 3) of a clip side by side, small ones enlarged, as PNG."""
    kept = io.BytesIO()
    draw_strip(frames, max(1, round(STRIP_HEIGHT / frames.shape[1])), 8).save(kept, "PNG")
    return kept.getvalue()


def check_needs(suite: Suite, material: Material) -> None:
    """Refuse before minutes of work what could not be done at their end. Raises OptionError."""
    first = material.names[0]
    for method in suite.methods:
        how = suite.learning(method)
        if isinstance(how, Recipe) and how.regularised and not material.regularisation(first):
            raise OptionError(
                f"{method.name!r} needs clips without the motion; name a folder of them as material.others"
            )
