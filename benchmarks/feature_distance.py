"""Whether a frozen model's features tell motions apart: how far they are between clips of different paths, for how far
they are between clips of one path in different looks and under different noise. 1 is blind: a loss on these features
then says nothing of the motion. The distances are those of the methods' own losses.

`python -m benchmarks.feature_distance` prints a table for the starter model in about a minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor

from motion_core.diffusion.denoiser import Condition
from motion_core.diffusion.objectives import attention_feature_match
from motion_core.evaluation.material.synthetic import Synthetic
from motion_core.guidance.dmt import pairwise_cosine, pairwise_l2
from motion_core.guidance.motion_clone import find_primary, primary_match
from motion_core.hooks.attention_maps import capture
from motion_core.hooks.feature_means import capture_means
from motion_core.models.families import find_sites, recognize
from motion_core.models.video_model import VideoModel
from motion_core.models.zeroscope.loading import load_model
from motion_core.starter.folder import find_starter
from motion_core.starter.paths import TUNING
from motion_core.training.feature_matching import WEIGHTS, FeatureSites, extract

from .machine import describe_machine

LOOKS = 3
"""Clips of each path."""
LEVELS = (200, 400, 600, 800, 950)
"""Timesteps at which features are taken."""


@dataclass(frozen=True)
class ShownClip:
    """A clip of a path. latents: (1, C, N, h, w)."""

    path: str
    latents: Tensor
    condition: Condition


Distance = Callable[[Tensor, Tensor], float]
Look = Callable[[ShownClip, Tensor, Tensor], dict[str, Tensor]]


@dataclass(frozen=True)
class Measure:
    """What a method compares. look: returns features by name of a clip, its noisy latents and timestep."""

    name: str
    look: Look
    distance: Distance


def list_measures(model: VideoModel) -> Iterator[Measure]:
    """Yields what DMT, MotionClone and MotionMatcher compare, block by block."""
    module, denoiser = model.denoiser.module, model.denoiser
    blocks = list(dict.fromkeys(site.name.split(".temp")[0] for site in find_sites(module)))

    def see_means(block: str) -> Look:
        def look(clip: ShownClip, z: Tensor, t: Tensor) -> dict[str, Tensor]:
            with capture_means(module, block, 1) as means:
                denoiser.predict(z, t, [clip.condition])
            return means

        return look

    def see_maps(block: str) -> Look:
        names = [site.name for site in find_sites(module) if site.name.startswith(f"{block}.")]

        def look(clip: ShownClip, z: Tensor, t: Tensor) -> dict[str, Tensor]:
            with capture(module, names, stop=True, by_head=True) as maps:
                denoiser.predict(z, t, [clip.condition])
            return maps

        return look

    sites = FeatureSites.find(recognize(module))

    def see_matched(kind: str) -> Look:
        def look(clip: ShownClip, z: Tensor, t: Tensor) -> dict[str, Tensor]:
            return {kind: extract(denoiser, sites, z, t, conditions=[clip.condition])[kind]}

        return look

    for block in blocks:
        if block.startswith("up"):
            yield Measure(f"DMT, {block}, l2", see_means(block), lambda a, b: float(pairwise_l2(a, b)))
            yield Measure(f"DMT, {block}, cosine", see_means(block), lambda a, b: float(pairwise_cosine(a, b)))
        yield Measure(f"MotionClone, {block}", see_maps(block), lambda a, b: float(primary_match(a, find_primary(b))))
    for kind in WEIGHTS:
        yield Measure(
            f"MotionMatcher, {kind}",
            see_matched(kind),
            lambda a, b: float(attention_feature_match({"": a}, {"": b}, {"": 1.0})),
        )


@torch.no_grad()
def measure_ratio(model: VideoModel, clips: Sequence[ShownClip], measure: Measure, t: int) -> float:
    """Returns the mean distance between different paths over that within one path, each clip under noise of its own."""
    schedule, seen = model.denoiser.schedule, []
    for number, clip in enumerate(clips):
        eps = torch.randn(clip.latents.shape, generator=torch.Generator().manual_seed(number))
        level = torch.tensor([t])
        seen.append((clip.path, measure.look(clip, schedule.add_noise(clip.latents, eps, level), level)))
    same, other = [], []
    for (path, ours), (theirs_path, theirs) in permutations(seen, 2):
        distance = sum(measure.distance(ours[name], theirs[name]) for name in ours)
        (same if path == theirs_path else other).append(distance)
    return (sum(other) / len(other)) / (sum(same) / len(same))


def show_clips(model: VideoModel, paths: Sequence[str]) -> list[ShownClip]:
    """Renders and encodes the paths, each in several looks, under the empty prompt."""
    material, empty = Synthetic(tuple(paths), looks=LOOKS), model.encode_text([""])[0]
    return [
        ShownClip(path, model.encode(each.clip.frames), empty) for path in paths for each in material.references(path)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", nargs="+", default=list(TUNING), metavar="NAME", help="paths to compare")
    args = parser.parse_args()
    model = load_model(find_starter())
    clips = show_clips(model, args.clips)
    print(f"{len(args.clips)} paths in {LOOKS} looks each; {describe_machine(torch.device('cpu'))}\n")
    print("| what is compared | " + " | ".join(f"t = {t}" for t in LEVELS) + " |")
    print("| --- |" + " --- |" * len(LEVELS))
    for measure in list_measures(model):
        ratios = [f"{measure_ratio(model, clips, measure, t):.2f}" for t in LEVELS]
        print(f"| {measure.name} | " + " | ".join(ratios) + " |", flush=True)


if __name__ == "__main__":
    main()
