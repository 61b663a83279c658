"""Measures the starter model: does a motion that was learnt from a clip move other looks, and do looks leak in?

`python -m motion_core.starter.benchmark` learns eight reference clips whose paths were not in training and prints
one table: motion fidelity (mean cosine of the subject's frame-to-frame steps with the reference's) and appearance
(share of frames in which colour, shape and ground are recognised by rule), mean and spread over clips and seeds.
"""

from __future__ import annotations

import argparse
import platform
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ..backbones.zeroscope.loading import VideoModel, load_model
from ..embedding import MotionEmbedding
from ..learning import LearnConfig
from ..metrics import motion_fidelity
from ..noise import mix
from ..presets import find_preset
from ..sampling import AppliedMotion, ApplyConfig, invert, sample
from ..transfer import GenerateConfig, learn_motion
from ..video import Clip
from .folder import find_starter
from .looks import Ground, Subject, describe, draw_ground, draw_subject
from .paths import HELD_OUT, Motion
from .recognition import measure_agreement, recognise
from .scene import FRAMES, Actor, render
from .shelf import Score, Shelf, fingerprint

FPS = 8.0
STEPS = 16
GUIDANCE = GenerateConfig().guidance
DEFAULTS = LearnConfig.of("starter")
"""How the starter model learns where nothing else is said."""
APPLY = ApplyConfig(**find_preset("starter").apply)
"""How it applies what it learnt."""


@dataclass(frozen=True)
class Reference:
    """A clip to learn from, with what is known about it because it was rendered."""

    name: str
    clip: Clip
    subject: Subject
    ground: Ground
    motion: Motion

    @property
    def prompt(self) -> str:
        return describe(self.subject, self.ground)


@dataclass(frozen=True)
class Row:
    """One line of the table: how the motion is felt (None: not at all) and what sampling starts from."""

    name: str
    apply: ApplyConfig | None
    noise: str = "random"

    def settings(self) -> dict[str, Any]:
        """All that its clips are sampled with."""
        felt = asdict(self.apply) if self.apply else None
        return {"apply": felt, "noise": self.noise, "steps": STEPS, "guidance": GUIDANCE}


ROWS = (
    Row("base model, random noise", None),
    Row("base model, inverted noise blended (beta 0.5)", None, "blend"),
    Row("embedding, random noise (the starter's defaults: `mean` debias, strength_v 1.5)", APPLY),
    Row("embedding, debiased (`difference`), random noise", replace(APPLY, debias="difference")),
    Row("embedding, debiased (`difference`), blended noise", replace(APPLY, debias="difference"), "blend"),
    Row("`qk` alone", replace(APPLY, strength_v=0.0)),
    Row("`v` alone", replace(APPLY, strength_qk=0.0)),
    Row("not debiased", replace(APPLY, debias="none")),
    Row("strength_v 0.5", replace(APPLY, strength_v=0.5)),
    Row("strength_v 1", replace(APPLY, strength_v=1.0)),
    Row("strength_v 2", replace(APPLY, strength_v=2.0)),
    Row("felt to the end", replace(APPLY, end=1.0)),
    Row("the paper's branches (both), strength_v 1", replace(APPLY, branches="both", strength_v=1.0)),
    Row("the paper's branches (both), strength_v 1, debiased", ApplyConfig()),
)


def render_reference(name: str) -> Reference:
    """The held-out path of that name under looks drawn from it."""
    rng = random.Random(name)
    subject, ground = draw_subject(rng), draw_ground(rng)
    motion = Motion.of(HELD_OUT[name](FRAMES))
    return Reference(name, Clip(render(ground, [Actor(subject, motion)]), FPS), subject, ground, motion)


def draw_looks(reference: Reference, seed: int) -> tuple[Subject, Ground]:
    """Looks for a seed, none of them the reference's."""
    rng = random.Random(f"{reference.name} {seed}")
    while True:
        subject, ground = draw_subject(rng), draw_ground(rng)
        same = (subject.colour == reference.subject.colour, subject.shape == reference.subject.shape)
        if not any(same) and ground != reference.ground:
            return subject, ground


def score_clip(frames: Tensor, reference: Reference, subject: Subject, ground: Ground) -> Score:
    """Judge a generated clip (N, H, W, 3) against the reference's path and the prompt's looks."""
    looks = recognise(frames)
    fidelity = motion_fidelity(reference.motion.on_screen()[None], looks.found.track[None].to(torch.float32))
    agreement = measure_agreement(looks, subject, ground)
    return Score(float(fidelity), agreement["colour"], agreement["shape"], agreement["ground"])


def generate_row(
    model: VideoModel, row: Row, reference: Reference, motion: MotionEmbedding, inverted: Tensor, seeds: Sequence[int]
) -> list[Score]:
    """All seeds of one row on one reference, sampled as one batch."""
    looks = [draw_looks(reference, seed) for seed in seeds]
    noises = [_draw_noise(reference, seed, inverted) for seed in seeds]
    noise = torch.cat([mix(row.noise, inverted, random_noise) for random_noise in noises])
    text = model.encode_text([describe(*look) for look in looks])
    negative = model.encode_text([""]).expand(len(seeds), -1, -1)
    motions = [AppliedMotion(motion, row.apply)] if row.apply else []
    latents = sample(model.denoiser, noise, text, negative, motions, STEPS, GUIDANCE)
    return [score_clip(model.decode(z[None]), reference, *look) for z, look in zip(latents, looks, strict=True)]


def _draw_noise(reference: Reference, seed: int, like: Tensor) -> Tensor:
    number = random.Random(f"noise {reference.name} {seed}").getrandbits(48)
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(number)).to(like)


def measure_ceiling(model: VideoModel, reference: Reference, seeds: Sequence[int]) -> list[Score]:
    """The same path under new looks through the autoencoder alone: as good as can be seen."""
    scores = []
    for seed in seeds:
        subject, ground = draw_looks(reference, seed)
        drawn = render(ground, [Actor(subject, reference.motion)])
        scores.append(score_clip(model.decode(model.encode(drawn)), reference, subject, ground))
    return scores


def summarise(name: str, scores: Sequence[Score]) -> str:
    """One line of the table: mean and, in brackets, the standard deviation over clips."""

    def spread(values: list[float]) -> str:
        return f"{mean(values):.2f} ({stdev(values) if len(values) > 1 else 0.0:.2f})"

    parts = " / ".join(f"{mean([getattr(s, part) for s in scores]):.2f}" for part in ("colour", "shape", "ground"))
    return f"| {name} | {spread([s.fidelity for s in scores])} | {spread([s.appearance for s in scores])} | {parts} |"


def open_shelf(model: VideoModel, folder: Path) -> Shelf:
    """Where the results of this very model are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    return Shelf(folder, fingerprint(model.denoiser.module, model.vae, model.text_encoder))


def learn_reference(model: VideoModel, reference: Reference, config: LearnConfig, shelf: Shelf) -> MotionEmbedding:
    """Learn a reference, or take what an earlier run with the same settings learnt."""
    settings = {**config.recipe(), "seed": config.seed}
    return shelf.motion(
        reference.name, settings, lambda: learn_motion(model, reference.clip, reference.prompt, config).embedding
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m motion_core.starter.benchmark", description=__doc__)
    parser.add_argument("--model", type=Path, default=None, help="diffusers folder (default: the starter model)")
    parser.add_argument("--work", type=Path, default=Path("benchmark"), help="folder for learnt motions and scores")
    parser.add_argument("--clips", nargs="*", choices=tuple(HELD_OUT), default=tuple(HELD_OUT), help="which references")
    parser.add_argument("--seeds", type=int, default=8, help="seeds for each reference and row")
    parser.add_argument("--rows", default="", help="only rows whose name contains this")
    parser.add_argument("--steps", type=int, help="steps of learning")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--sites")
    args = parser.parse_args()
    given = {"steps": args.steps, "learning_rate": args.learning_rate, "sites": args.sites}
    config = replace(DEFAULTS, **{name: value for name, value in given.items() if value is not None})
    model = load_model(args.model or find_starter())
    shelf = open_shelf(model, args.work)
    references = [render_reference(name) for name in args.clips]
    seeds = range(args.seeds)
    rows = [row for row in ROWS if args.rows in row.name]
    results: dict[str, list[Score]] = {row.name: [] for row in rows}
    ceiling: list[Score] = []
    with tqdm(total=len(references) * (len(rows) + 1), desc="measuring", unit="row") as bar:
        for reference in references:
            motion = learn_reference(model, reference, config, shelf)
            inverted = invert(model.denoiser, model.encode(reference.clip.frames), model.encode_text([""]), STEPS)
            bar.update()
            ceiling += measure_ceiling(model, reference, seeds)
            for row in rows:
                settings = {
                    "learnt": config.recipe(),
                    "seed": config.seed,
                    "sampled": row.settings(),
                    "seeds": args.seeds,
                }
                measure = partial(generate_row, model, row, reference, motion, inverted, seeds)
                results[row.name] += shelf.scores(reference.name, settings, measure)
                bar.update()
    learnt = f"{config.steps} steps at {config.learning_rate:g} on {config.sites} sites"
    print(f"{len(references)} clips x {args.seeds} seeds, {learnt}")
    print(f"{STEPS} sampling steps, guidance {GUIDANCE} on {_machine()}\n")
    print("| sampled with | motion fidelity | appearance | colour / shape / ground |\n| --- | --- | --- | --- |")
    for name, scores in {"reference's path, new looks, autoencoder alone": ceiling, **results}.items():
        print(summarise(name, scores))


def _machine() -> str:
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


if __name__ == "__main__":
    main()
