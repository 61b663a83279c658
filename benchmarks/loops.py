"""Does a clip of a closed path loop, its last frame flowing into the first one?

As sampled, and with the frames handed to the model in rotated order, another one at each step, so that the seam lies
elsewhere each time. The motion is rotated with them. `python -m benchmarks.loops` prints a table for the starter model
in about five minutes of one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import mean

import torch
from torch import Tensor

from motion_core.diffusion.denoiser import Condition, Denoiser
from motion_core.evaluation.jobs import draw_noise
from motion_core.evaluation.material.synthetic import Synthetic
from motion_core.hooks.applied import AppliedMotion
from motion_core.hooks.live_switch import LiveSwitch, Window
from motion_core.metrics.fidelity import motion_fidelity
from motion_core.models.video_model import VideoModel
from motion_core.models.zeroscope.loading import load_model
from motion_core.pipeline import References, train_motion
from motion_core.recipes.catalogue import find_recipe
from motion_core.sampling.sample import sample
from motion_core.starter.folder import find_starter
from motion_core.starter.subject_tracking import find_subject

from .machine import describe_machine

CLIPS = ("figure_eight", "heart", "clover")
"""Paths that end where they begin."""
STEPS, GUIDANCE, SEEDS, STRIDE = 16, 6.0, 4, 7
"""STRIDE: by how many frames more each step rotates them."""


@dataclass
class WatchedMotion:
    """A motion whose switch is known while it is attached."""

    motion: AppliedMotion
    switch: LiveSwitch | None = None

    @property
    def settings(self) -> object:
        return self.motion.settings

    @contextmanager
    def attached(self, module: torch.nn.Module) -> Iterator[LiveSwitch]:
        with self.motion.attached(module) as self.switch:
            yield self.switch


@dataclass
class RotatingDenoiser:
    """A denoiser that hands its model rotated frames, by another number at each level of noise, and the motion too."""

    denoiser: Denoiser
    motion: WatchedMotion | None
    levels: list[float] = field(default_factory=list)

    def __getattr__(self, name: str) -> object:
        return getattr(self.denoiser, name)

    def predict(self, z: Tensor, t: Tensor, conditions: Sequence[Condition]) -> Tensor:
        frames, level = z.shape[2], float(t[0])
        if level not in self.levels:
            self.levels.append(level)
        shift = self.levels.index(level) * STRIDE % frames
        if self.motion is not None and self.motion.switch is not None:
            self.motion.switch.window = Window(tuple((frame + shift) % frames for frame in range(frames)), frames)
        return self.denoiser.predict(z.roll(-shift, 2), t, conditions).roll(shift, 2)


def score(frames: Tensor, wanted: Tensor) -> dict[str, float]:
    """Returns what a new clip does at its seam, as a share of what it does between other frames."""
    track = find_subject(frames).track
    steps, changes = (track[1:] - track[:-1]).norm(dim=-1), (frames[1:] - frames[:-1]).abs().mean((1, 2, 3))
    return {
        "fidelity": float(motion_fidelity(wanted[None], track[None].to(wanted))),
        "way": float((track[0] - track[-1]).norm() / steps.mean()),
        "change": float((frames[0] - frames[-1]).abs().mean() / changes.mean()),
    }


def make(model: VideoModel, material: Synthetic, clip: str, motion: AppliedMotion | None, *, rotated: bool) -> Iterator:
    """Yields the scores of new clips, from random noise."""
    samples, reference = material.samples(clip, SEEDS), material.reference(clip)
    like = model.encode(reference.clip.frames)
    noise = torch.cat([draw_noise(each, like) for each in samples])
    watched = None if motion is None else WatchedMotion(motion)
    denoiser = RotatingDenoiser(model.denoiser, watched) if rotated else model.denoiser
    motions = [] if watched is None else [watched]
    positive, negative = list(model.encode_text([each.prompt for each in samples])), model.encode_text([""])[0]
    made = sample(denoiser, noise, positive, negative, motions=motions, steps=STEPS, scale=GUIDANCE)  # type: ignore[arg-type]
    for each, latents in zip(samples, made, strict=True):
        frames = model.decode(latents[None])
        appearance = material.score(clip, each, frames)["appearance"]
        yield score(frames, find_subject(reference.clip.frames).track) | {"appearance": appearance}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(arguments)
    model, material = load_model(find_starter()), Synthetic(CLIPS)
    rows: dict[str, list[dict[str, float]]] = {}
    for clip in CLIPS:
        recipe = find_recipe("motion_inversion", "starter")
        learnt = AppliedMotion.of(train_motion(model, References(material.references(clip)), recipe).motion)
        for name, motion in (("base model", None), ("Motion Inversion", learnt)):
            for rotated in (False, True):
                row = f"{name}, rotated" if rotated else name
                rows.setdefault(row, []).extend(make(model, material, clip, motion, rotated=rotated))
    print(f"{len(CLIPS)} clips, {SEEDS} seeds each; {describe_machine(torch.device('cpu'))}\n")
    print("| sampled with | motion fidelity | appearance | way at the seam | change at the seam |")
    print("| --- | --- | --- | --- | --- |")
    for name, scores in rows.items():
        means = (mean(each[key] for each in scores) for key in ("fidelity", "appearance", "way", "change"))
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in means) + " |")


if __name__ == "__main__":
    main()
