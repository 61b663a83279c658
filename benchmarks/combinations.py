"""What no single method gives: an embedding together with an adapter, and two motions one after another in one clip.

`python -m benchmarks.combinations` prints a table for the starter model in about a quarter of an hour of one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import cast

import torch
from torch import Tensor

from motion_core.evaluation.jobs import draw_noise
from motion_core.evaluation.material.synthetic import Synthetic, render_reference
from motion_core.hooks.applied import AppliedMotion
from motion_core.metrics.fidelity import motion_fidelity
from motion_core.models.video_model import VideoModel
from motion_core.models.zeroscope.loading import load_model
from motion_core.motions.embedding import MotionEmbedding
from motion_core.motions.motion import Motion
from motion_core.pipeline import References, train_motion
from motion_core.recipes.catalogue import find_recipe
from motion_core.sampling.sample import sample
from motion_core.starter.folder import find_starter
from motion_core.starter.subject_tracking import find_subject

from .machine import describe_machine

CLIPS = ("figure_eight", "hops", "zigzag", "loop")
STEPS, GUIDANCE, SEEDS = 16, 6.0, 4


@dataclass(frozen=True)
class Row:
    """What is applied to a clip, and by which paths the new clip is scored, one after another."""

    name: str
    motions: Sequence[AppliedMotion]
    paths: Sequence[str]


def learn(model: VideoModel, material: Synthetic, clip: str, recipe: str) -> Motion:
    """Learns a clip's motion by the starter's numbers of a recipe."""
    return train_motion(model, References(material.references(clip)), find_recipe(recipe, "starter")).motion


def join(first: MotionEmbedding, second: MotionEmbedding) -> MotionEmbedding:
    """Returns an embedding whose first half moves as one and whose second half as the other, each in half the time."""
    halves = [each.resized(first.frames // 2) for each in (first, second)]
    qk, v = (
        {name: torch.cat([getattr(half, kind)[name] for half in halves], 1) for name in getattr(first, kind)}
        for kind in ("qk", "v")
    )
    return replace(first, qk=qk, v=v)


def list_rows(learnt: dict[str, tuple[Motion, Motion]], clip: str) -> Iterator[Row]:
    """Yields what is tried on a clip. learnt: clip -> its embedding and its adapter."""
    embedding, adapter = learnt[clip]
    names = list(learnt)
    after = names[(names.index(clip) + 1) % len(names)]
    follower = cast(MotionEmbedding, learnt[after][0])
    weaker = {"strength_v": AppliedMotion.of(embedding).settings.strength_v * 0.8}  # type: ignore[attr-defined]
    yield Row("embedding", [AppliedMotion.of(embedding)], [clip])
    yield Row("adapter (VMC)", [AppliedMotion.of(adapter)], [clip])
    yield Row("both", [AppliedMotion.of(embedding), AppliedMotion.of(adapter)], [clip])
    both = [AppliedMotion.of(embedding, **weaker), AppliedMotion.of(adapter, strength=0.5)]
    yield Row("both, the embedding at 4/5 and the adapter at half", both, [clip])
    yield Row("the first of two motions alone, scored by both", [AppliedMotion.of(embedding)], [clip, after])
    joined = AppliedMotion.of(join(cast(MotionEmbedding, embedding), follower))
    yield Row("two motions one after another", [joined], [clip, after])


def score(frames: Tensor, row: Row) -> float:
    """Returns the mean fidelity of the clip's parts to the row's paths."""
    track, count = find_subject(frames).track, len(frames) // len(row.paths)
    found = []
    for number, path in enumerate(row.paths):
        wanted = render_reference(path, count).track
        part = track[count * number : count * (number + 1)].to(wanted)
        found.append(float(motion_fidelity(wanted[None], part[None])))
    return mean(found)


def make(model: VideoModel, material: Synthetic, clip: str, row: Row) -> Iterator[tuple[float, float]]:
    """Yields motion fidelity and appearance of the row's new clips, from random noise."""
    samples = material.samples(clip, SEEDS)
    like = model.encode(material.reference(clip).clip.frames)
    positive = list(model.encode_text([each.prompt for each in samples]))
    noise = torch.cat([draw_noise(each, like) for each in samples])
    made = sample(
        model.denoiser,
        noise,
        positive,
        model.encode_text([""])[0],
        motions=row.motions,
        steps=STEPS,
        scale=GUIDANCE,
    )
    for each, latents in zip(samples, made, strict=True):
        frames = model.decode(latents[None])
        yield score(frames, row), material.score(clip, each, frames)["appearance"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", nargs="+", default=list(CLIPS), metavar="NAME", help="paths to learn, two or more")
    args = parser.parse_args()
    model, material = load_model(find_starter()), Synthetic(tuple(args.clips))
    learnt = {}
    for clip in args.clips:
        learnt[clip] = tuple(learn(model, material, clip, recipe) for recipe in ("motion_inversion", "vmc"))
    results: dict[str, list[tuple[float, float]]] = {}
    for clip in args.clips:
        for row in list_rows(learnt, clip):  # type: ignore[arg-type]
            results.setdefault(row.name, []).extend(make(model, material, clip, row))
    print(f"{len(args.clips)} clips, {SEEDS} seeds each; {describe_machine(torch.device('cpu'))}\n")
    print("| applied, from random noise | motion fidelity | appearance |\n| --- | --- | --- |")
    for name, scores in results.items():
        print(f"| {name} | {mean(each[0] for each in scores):.2f} | {mean(each[1] for each in scores):.2f} |")


if __name__ == "__main__":
    main()
