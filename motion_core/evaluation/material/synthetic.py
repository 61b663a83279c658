"""Rendered clips for the starter model. Path and appearance are known, so that rules can score."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...errors import OptionError
from ...metrics.fidelity import motion_fidelity
from ...pipeline import CaptionedClip
from ...starter.appearance import Ground, Subject, describe, draw_ground, draw_subject
from ...starter.paths import HELD_OUT, UNSEEN, Motion, draw_motion
from ...starter.recognition import measure_agreement, recognise
from ...starter.scene import FRAMES, REACH, SIZE, Actor, render
from ...video.reading import Clip
from .protocol import Sample

FPS = 8.0
SUBJECT, CAMERA = "subject", "camera"
MOVES = (SUBJECT, CAMERA)
"""What moves in a clip, so that its subject takes a path through the picture."""
PICTURED = "S*"
"""What the subject of pictures is called."""


@dataclass(frozen=True)
class Rendered:
    """A clip, with what is known about it since it was rendered."""

    name: str
    clip: Clip
    subject: Subject
    ground: Ground
    motion: Motion

    @property
    def prompt(self) -> str:
        return describe(self.subject, self.ground)

    @property
    def track(self) -> Tensor:
        """(N, 2): where the subject is, in pixels."""
        return (0.5 + REACH * self.motion.on_screen()) * SIZE


@dataclass(frozen=True)
class Synthetic:
    """clips: names of paths that the starter models have not seen, those to judge by where none is named. `others`: how
    many clips with other motions regularise. frames: of each clip. looks: how many clips of a path, each of other
    looks, are trained on. caption: of all of these, in place of what each shows. moves: `subject`, or `camera` past a
    subject at rest. pictures: how many of a subject called S* are trained on; each sample then shows that subject.
    Scores: motion fidelity; position error, the mean distance from where the reference's subject is, in % of the
    picture's side; shares of frames whose colour, shape and ground a rule recognises, and their mean, the appearance.
    Raises OptionError.
    """

    clips: tuple[str, ...] = tuple(HELD_OUT)
    others: int = 6
    frames: int = FRAMES
    looks: int = 1
    caption: str = ""
    moves: str = SUBJECT
    pictures: int = 0

    @classmethod
    def of(cls, clips: Sequence[str] = tuple(HELD_OUT), **settings: Any) -> Synthetic:
        return cls(tuple(clips), **settings)

    def __post_init__(self) -> None:
        if not 1 <= self.looks <= 100:
            raise OptionError(f"looks is {self.looks}; choose 1 (the reference alone) to 100")
        if not 0 <= self.pictures <= 100:
            raise OptionError(f"pictures is {self.pictures}; choose 0 (none) to 100")
        if self.moves not in MOVES:
            raise OptionError(f"moves is {self.moves!r}; use one of {', '.join(MOVES)}")
        strays = [name for name in self.clips if name not in UNSEEN]
        if strays or not self.clips:
            raise OptionError(f"clips are {list(self.clips)}; use some of {', '.join(UNSEEN)}")

    @property
    def columns(self) -> Mapping[str, str]:
        return {
            "fidelity": "motion fidelity",
            "position_error": "position error (%)",
            "appearance": "appearance",
            "colour": "colour",
            "shape": "shape",
            "ground": "ground",
        }

    @property
    def names(self) -> Sequence[str]:
        return self.clips

    def reference(self, name: str, *, backwards: bool = False, frames: int = 0) -> CaptionedClip:
        rendered = render_reference(name, frames or self.frames, self.moves)
        shown = rendered.clip.frames.flip(0) if backwards else rendered.clip.frames
        return CaptionedClip(Clip(shown, FPS), rendered.prompt)

    def references(self, name: str, *, backwards: bool = False) -> Sequence[CaptionedClip]:
        clips = [self.reference(name, backwards=backwards)]
        motion = render_reference(name, self.frames, self.moves).motion
        rng = random.Random(f"looks {name}")
        for _ in range(self.looks - 1):
            subject, ground = draw_subject(rng), _show_moves(draw_ground(rng), self.moves)
            frames = render(ground, [Actor(subject, motion)])
            shown = frames.flip(0) if backwards else frames
            clips.append(CaptionedClip(Clip(shown, FPS), describe(subject, ground)))
        return [replace(each, caption=self.caption or each.caption) for each in clips]

    def regularisation(self, name: str) -> Sequence[CaptionedClip]:
        rng = random.Random(f"others {name}")
        shown = []
        for _ in range(self.others):
            subject, ground = draw_subject(rng), draw_ground(rng)
            frames = render(ground, [Actor(subject, draw_motion(rng, self.frames))])
            shown.append(CaptionedClip(Clip(frames, FPS), describe(subject, ground)))
        return shown

    def subjects(self, name: str) -> Sequence[CaptionedClip]:
        rng, (subject, _) = random.Random(f"pictures {name}"), draw_appearance(self._render(name), 0)
        shown = []
        for _ in range(self.pictures):
            ground = draw_ground(rng)
            frames = render(ground, [Actor(subject, draw_motion(rng, self.frames))])
            shown.append(CaptionedClip(Clip(frames[:1], FPS), name_subject(subject, ground)))
        return shown

    def samples(self, name: str, seeds: int) -> Sequence[Sample]:
        reference, name_looks = self._render(name), name_subject if self.pictures else describe
        return [
            Sample(number, name_looks(*self._draw_appearance(reference, number)), draw_noise_seed(name, number))
            for number in range(seeds)
        ]

    def first_frame(self, name: str, sample: Sample) -> Tensor:
        return redraw(self._render(name), sample.number)[0]

    def score(self, name: str, sample: Sample, frames: Tensor, *, backwards: bool = False) -> dict[str, float]:
        reference = render_reference(name, len(frames), self.moves)
        return score_clip(frames, reference, *self._draw_appearance(reference, sample.number), backwards=backwards)

    def _draw_appearance(self, reference: Rendered, number: int) -> tuple[Subject, Ground]:
        """Draws a sample's appearance, with the subject of the pictures if there are any: that of the first sample."""
        subject, ground = draw_appearance(reference, number)
        return draw_appearance(reference, 0)[0] if self.pictures else subject, ground

    def _render(self, name: str) -> Rendered:
        return render_reference(name, self.frames, self.moves)


def render_reference(name: str, count: int = FRAMES, moves: str = SUBJECT) -> Rendered:
    """Renders an unseen path in so many frames, with an appearance drawn from its name. Raises OptionError."""
    if name not in UNSEEN:
        raise OptionError(f"no clip is called {name!r}; use one of {', '.join(UNSEEN)}")
    rng = random.Random(name)
    subject, ground = draw_subject(rng), _show_moves(draw_ground(rng), moves)
    path = UNSEEN[name](count)
    motion = Motion.of(path)
    if moves == CAMERA:
        motion = Motion(torch.zeros_like(path), -path, torch.ones(count))
    return Rendered(name, Clip(render(ground, [Actor(subject, motion)]), FPS), subject, ground, motion)


def _show_moves(ground: Ground, moves: str) -> Ground:
    """Returns a ground on which a camera is seen to move: a plain one would hide it."""
    return replace(ground, texture="checkered") if moves == CAMERA else ground


def draw_appearance(reference: Rendered, number: int) -> tuple[Subject, Ground]:
    """Draws an appearance for a sample that shares nothing with the reference's."""
    rng = random.Random(f"{reference.name} {number}")
    while True:
        subject, ground = draw_subject(rng), draw_ground(rng)
        same = (subject.colour == reference.subject.colour, subject.shape == reference.subject.shape)
        if not any(same) and ground != reference.ground:
            return subject, ground


def name_subject(subject: Subject, ground: Ground) -> str:
    """Describes an appearance whose subject is known from pictures: `a S* on a striped gray ground`."""
    return describe(subject, ground).replace(f"{subject.colour} {subject.shape}", PICTURED)


def draw_noise_seed(name: str, number: int) -> int:
    return random.Random(f"noise {name} {number}").getrandbits(48)


def score_clip(
    frames: Tensor, reference: Rendered, subject: Subject, ground: Ground, *, backwards: bool = False
) -> dict[str, float]:
    """Scores a clip (N, H, W, 3) against the reference's path, reversed if backwards, and the appearance asked for."""
    appearance = recognise(frames)
    wanted = reference.track.flip(0) if backwards else reference.track
    found = appearance.found.track.to(wanted)
    agreement = measure_agreement(appearance, subject, ground)
    return {
        "fidelity": float(motion_fidelity(wanted[None], found[None])),
        "position_error": float((found - wanted).norm(dim=-1).mean() / SIZE * 100),
        "appearance": agreement["mean"],
        **{part: agreement[part] for part in ("colour", "shape", "ground")},
    }


def redraw(reference: Rendered, number: int) -> Tensor:
    """Renders the reference's path with a sample's appearance, (N, H, W, 3): what a perfect transfer would show."""
    subject, ground = draw_appearance(reference, number)
    return render(ground, [Actor(subject, reference.motion)]).to(torch.float32)
