"""How a synthetic clip moves: the path of its subject and of the camera.

A path is a `(N, 2)` tensor of (x, y), where -1..1 spans the part of the picture in which a subject stays
visible. `TRAINING` holds the families that the starter model is trained on, `HELD_OUT` the ones it never sees:
the motions that are used to measure how well a motion is learnt from a clip.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Motion:
    """One clip's motion. subject: (N, 2) path in the world; camera: (N, 2) where the camera points; zoom: (N,)."""

    subject: Tensor
    camera: Tensor
    zoom: Tensor

    @classmethod
    def of(cls, subject: Tensor) -> "Motion":
        """A subject on its path before a camera that stands still."""
        return cls(subject, torch.zeros_like(subject), torch.ones(len(subject)))

    @property
    def frames(self) -> int:
        return len(self.subject)

    def on_screen(self) -> Tensor:
        """(N, 2): where the subject is seen, in the units of a path."""
        return (self.subject - self.camera) * self.zoom[:, None]


def _times(frames: int) -> Tensor:
    return torch.linspace(0, 1, frames)


def _turned(path: Tensor, angle: float) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return path @ torch.tensor([[c, s], [-s, c]])


def _along(corners: Tensor, frames: int) -> Tensor:
    """Walk along a polyline at constant speed. corners: (K, 2)."""
    lengths = (corners[1:] - corners[:-1]).norm(dim=-1)
    at = torch.cat([torch.zeros(1), lengths.cumsum(0)])
    where = _times(frames) * at[-1]
    leg = torch.searchsorted(at, where, right=True).clamp(1, len(at) - 1)
    share = ((where - at[leg - 1]) / (at[leg] - at[leg - 1]).clamp(min=1e-6))[:, None]
    return corners[leg - 1] * (1 - share) + corners[leg] * share


def _point(rng: random.Random, reach: float = 1.0) -> tuple[float, float]:
    return rng.uniform(-reach, reach), rng.uniform(-reach, reach)


def _far_points(rng: random.Random, count: int, apart: float) -> Tensor:
    points = [_point(rng)]
    while len(points) < count:
        p = _point(rng)
        if math.dist(p, points[-1]) > apart:
            points.append(p)
    return torch.tensor(points)


def still(rng: random.Random, frames: int) -> Motion:
    return Motion.of(torch.tensor([_point(rng)]).expand(frames, 2).clone())


def line(rng: random.Random, frames: int) -> Motion:
    return Motion.of(_along(_far_points(rng, 2, 0.5), frames))


def polyline(rng: random.Random, frames: int) -> Motion:
    return Motion.of(_along(_far_points(rng, rng.randint(3, 4), 0.7), frames))


def circle(rng: random.Random, frames: int) -> Motion:
    radius = rng.uniform(0.35, 0.85)
    centre = torch.tensor(_point(rng, 1 - radius))
    turn = rng.choice((-1, 1)) * rng.uniform(0.5, 1.3) * 2 * math.pi
    angle = rng.uniform(0, 2 * math.pi) + turn * _times(frames)
    flat = rng.uniform(0.6, 1.0)
    path = torch.stack([radius * angle.cos(), radius * flat * angle.sin()], -1)
    return Motion.of(_turned(path, rng.uniform(0, math.pi)) + centre)


def bounce(rng: random.Random, frames: int) -> Motion:
    """Straight flight between four walls."""
    angle, length = rng.uniform(0, 2 * math.pi), rng.uniform(1.5, 4.5)
    flight = torch.tensor([math.cos(angle), math.sin(angle)]) * length * _times(frames)[:, None]
    unfolded = flight + torch.tensor(_point(rng))
    return Motion.of(1 - ((unfolded - 1).remainder(4) - 2).abs())


def oscillation(rng: random.Random, frames: int) -> Motion:
    angle, reach = rng.uniform(0, 2 * math.pi), rng.uniform(0.4, 0.9)
    swing = reach * torch.sin(2 * math.pi * (rng.uniform(0.7, 2.0) * _times(frames) + rng.random()))
    path = torch.stack([swing * math.cos(angle), swing * math.sin(angle)], -1)
    return Motion.of(path + torch.tensor(_point(rng, 1 - reach)))


def wander(rng: random.Random, frames: int) -> Motion:
    """A smooth random curve: a few slow waves in each direction."""
    t = _times(frames)
    axes = []
    for _ in range(2):
        waves = [rng.gauss(0, 1) / k * torch.sin(math.pi * k * t + rng.uniform(0, 2 * math.pi)) for k in (1, 2, 3)]
        axes.append(torch.stack(waves).sum(0))
    path = torch.stack(axes, -1)
    path = path - (path.amax(0) + path.amin(0)) / 2
    path = path / path.abs().max().clamp(min=0.2) * rng.uniform(0.5, 1.0)
    room = 1 - path.abs().amax(0)
    return Motion.of(path + room * torch.tensor(_point(rng)))


def zoom(rng: random.Random, frames: int) -> Motion:
    """The camera moves in or out."""
    low, high = rng.uniform(0.6, 0.85), rng.uniform(1.15, 1.5)
    ends = (low, high) if rng.random() < 0.5 else (high, low)
    subject = torch.tensor([_point(rng, 0.6)]).expand(frames, 2).clone()
    scale = ends[0] + (ends[1] - ends[0]) * _times(frames)
    return Motion(subject, torch.zeros(frames, 2), scale)


def pan(rng: random.Random, frames: int) -> Motion:
    """The camera moves along a line or a curve; the subject stands in the world."""
    path = rng.choice((line, circle, wander))(rng, frames).subject
    return Motion(torch.zeros(frames, 2), -path, torch.ones(frames))


TRAINING: dict[str, tuple[float, Callable[[random.Random, int], Motion]]] = {
    "still": (0.05, still),
    "line": (0.15, line),
    "polyline": (0.17, polyline),
    "circle": (0.15, circle),
    "bounce": (0.13, bounce),
    "oscillation": (0.10, oscillation),
    "wander": (0.13, wander),
    "zoom": (0.05, zoom),
    "pan": (0.07, pan),
}


def draw_motion(rng: random.Random, frames: int) -> Motion:
    """A motion of the training families; half of them run backwards, so that no direction is favoured."""
    weights, families = zip(*TRAINING.values(), strict=True)
    motion = rng.choices(families, weights)[0](rng, frames)
    if rng.random() < 0.5:
        return motion
    return Motion(motion.subject.flip(0), motion.camera.flip(0), motion.zoom.flip(0))


def _even(dense: Tensor, frames: int) -> Tensor:
    """The same curve walked at constant speed. dense: (K, 2), K large."""
    return _along(dense, frames)


def _figure_eight(frames: int) -> Tensor:
    t = _times(400) * 2 * math.pi
    return _even(torch.stack([0.8 * t.sin(), 0.5 * (2 * t).sin()], -1), frames)


def _spiral(frames: int) -> Tensor:
    t = _times(400)
    angle = 2 * math.pi * 1.6 * t + 0.4
    return _even((0.12 + 0.78 * t)[:, None] * torch.stack([angle.cos(), angle.sin()], -1), frames)


def _zigzag(frames: int) -> Tensor:
    corners = [(-0.9, -0.7), (-0.45, 0.7), (0.0, -0.7), (0.45, 0.7), (0.9, -0.7)]
    return _along(torch.tensor(corners), frames)


def _s_curve(frames: int) -> Tensor:
    t = _times(400)
    return _even(torch.stack([0.75 * (2 * math.pi * t).sin(), 1.8 * t - 0.9], -1), frames)


def _hops(frames: int) -> Tensor:
    t = _times(frames)
    phase = (2 * t).remainder(1.0)
    return torch.stack([0.9 - 1.8 * t, 0.7 - 4 * 1.2 * phase * (1 - phase)], -1)


def _pendulum(frames: int) -> Tensor:
    angle = 0.95 * torch.cos(2 * math.pi * 1.25 * _times(frames))
    return torch.stack([1.1 * angle.sin(), 1.5 * angle.cos() - 0.9], -1)


def _loop(frames: int) -> Tensor:
    t = _times(400)
    angle = 2 * math.pi * t
    return _even(torch.stack([1.1 * t - 0.55 - 0.45 * angle.sin(), 0.6 * angle.cos()], -1), frames)


def _stairs(frames: int) -> Tensor:
    corners = [(-0.9, 0.9), (-0.3, 0.9), (-0.3, 0.3), (0.3, 0.3), (0.3, -0.3), (0.9, -0.3), (0.9, -0.9)]
    return _along(torch.tensor(corners), frames)


HELD_OUT: dict[str, Callable[[int], Tensor]] = {
    "figure_eight": _figure_eight,
    "spiral": _spiral,
    "zigzag": _zigzag,
    "s_curve": _s_curve,
    "hops": _hops,
    "pendulum": _pendulum,
    "loop": _loop,
    "stairs": _stairs,
}
"""Paths outside the training families: name -> function of the frame count giving (N, 2)."""


def _heart(frames: int) -> Tensor:
    t = _times(400) * 2 * math.pi
    x, y = t.sin() ** 3, -(13 * t.cos() - 5 * (2 * t).cos() - 2 * (3 * t).cos() - (4 * t).cos()) / 17
    return _even(0.85 * torch.stack([x, y], -1), frames)


def _skips(frames: int) -> Tensor:
    """Three hops from left to right, each lower than the last."""
    t = _times(frames)
    phase, number = (3 * t).remainder(1.0), (3 * t).floor().clamp(max=2)
    height = 1.4 - 0.35 * number
    return torch.stack([1.8 * t - 0.9, 0.7 - 4 * height * phase * (1 - phase)], -1)


def _clover(frames: int) -> Tensor:
    t = _times(400)
    angle = math.pi * t
    return _even(0.9 * (3 * angle).cos()[:, None] * torch.stack([angle.cos(), angle.sin()], -1), frames)


def _hook(frames: int) -> Tensor:
    """Down, around a bend and up to the middle."""
    angle = math.pi * _times(200)
    bend = torch.stack([-0.6 * angle.cos(), 0.3 + 0.5 * angle.sin()], -1)
    corners = torch.cat([torch.tensor([(-0.6, -0.9)]), bend, torch.tensor([(0.6, -0.6), (0.0, -0.2)])])
    return _along(corners, frames)


TUNING: dict[str, Callable[[int], Tensor]] = {"heart": _heart, "skips": _skips, "clover": _clover, "hook": _hook}
"""More paths outside the training families, to choose numbers by: what is chosen on these is judged on `HELD_OUT`."""
UNSEEN = HELD_OUT | TUNING
