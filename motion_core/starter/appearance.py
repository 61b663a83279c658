"""The appearance of a synthetic clip: the words of its caption and the colours they stand for.

A caption names appearance only and never motion, so that a model trained on these clips can learn a motion
from a reference clip alone.
"""

import random
from dataclasses import dataclass

SUBJECT_COLOURS = {
    "red": (0.90, 0.12, 0.12),
    "yellow": (0.96, 0.86, 0.10),
    "green": (0.12, 0.78, 0.20),
    "blue": (0.15, 0.25, 0.95),
    "purple": (0.72, 0.15, 0.85),
    "white": (0.97, 0.97, 0.97),
}
SHAPES = ("circle", "square", "triangle", "cross")
GROUND_COLOURS = {
    "black": (0.06, 0.06, 0.06),
    "gray": (0.45, 0.45, 0.45),
    "brown": (0.44, 0.27, 0.12),
    "teal": (0.05, 0.36, 0.38),
}
TEXTURES = ("plain", "striped", "checkered")

_TEMPLATES = (
    "a {subject} on a {ground} ground",
    "a video of a {subject} on a {ground} ground",
    "{subject}, {ground} ground",
    "a {subject} over {ground} ground",
)


@dataclass(frozen=True)
class Subject:
    """The appearance of the thing that moves: keys of `SUBJECT_COLOURS` and `SHAPES`."""

    colour: str
    shape: str


@dataclass(frozen=True)
class Ground:
    """The appearance of what lies behind it: keys of `GROUND_COLOURS` and `TEXTURES`."""

    colour: str
    texture: str


def draw_subject(rng: random.Random) -> Subject:
    return Subject(rng.choice(list(SUBJECT_COLOURS)), rng.choice(SHAPES))


def draw_ground(rng: random.Random) -> Ground:
    return Ground(rng.choice(list(GROUND_COLOURS)), rng.choice(TEXTURES))


def describe(subject: Subject, ground: Ground, template: str = _TEMPLATES[0]) -> str:
    """The caption of a clip: `a red circle on a striped gray ground`."""
    words = ground.colour if ground.texture == "plain" else f"{ground.texture} {ground.colour}"
    return template.format(subject=f"{subject.colour} {subject.shape}", ground=words)


def draw_caption(subject: Subject, ground: Ground, rng: random.Random) -> str:
    """Draws one of several captions of the same appearance, so that a model does not depend on one sentence."""
    return describe(subject, ground, rng.choice(_TEMPLATES))


def every_caption() -> list[str]:
    """All captions that `draw_caption` can give: the text a tokenizer has to know."""
    subjects = [Subject(c, s) for c in SUBJECT_COLOURS for s in SHAPES]
    grounds = [Ground(c, t) for c in GROUND_COLOURS for t in TEXTURES]
    return [describe(s, g, t) for s in subjects for g in grounds for t in _TEMPLATES]
