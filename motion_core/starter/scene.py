"""Draws synthetic clips: flat shapes with soft edges on a plain or textured ground."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .appearance import GROUND_COLOURS, SUBJECT_COLOURS, Ground, Subject, draw_ground, draw_subject
from .paths import Motion, draw_motion

FRAMES = 16
SIZE = 64
REACH = 20 / 64
"""How far from the middle, in picture widths, a path's unit reaches."""
RADIUS = 11 / 64
"""Usual radius of a subject in picture widths."""
TEXTURE_PERIOD = 24 / 64


@dataclass(frozen=True)
class Actor:
    """A subject, the motion it follows, and its radius in picture widths."""

    subject: Subject
    motion: Motion
    radius: float = RADIUS


def _distance(shape: str, x: Tensor, y: Tensor) -> Tensor:
    """Signed distance to a shape of unit size around the origin (negative inside). x, y: (...)."""
    if shape == "circle":
        return (x * x + y * y).sqrt() - 1.0
    if shape == "square":
        return torch.maximum(x.abs(), y.abs()) - 0.9
    if shape == "triangle":
        return torch.maximum(x.abs() * 0.894 + (-y - 0.25) * 0.447 - 0.40, y - 0.75)
    if shape == "cross":
        bar_x = torch.maximum(x.abs() - 1.05, y.abs() - 0.36)
        bar_y = torch.maximum(y.abs() - 1.05, x.abs() - 0.36)
        return torch.minimum(bar_x, bar_y)
    raise ValueError(f"shape is {shape!r}; choose circle, square, triangle or cross")


def cover(actor: Actor, size: int = SIZE) -> Tensor:
    """How much of each pixel the actor covers: (N, size, size), 0..1."""
    centre = 0.5 + REACH * actor.motion.on_screen()  # (N, 2)
    grid = (torch.arange(size) + 0.5) / size
    x = grid[None, None, :] - centre[:, 0, None, None]
    y = grid[None, :, None] - centre[:, 1, None, None]
    radius = actor.radius * actor.motion.zoom[:, None, None]
    return (0.5 - _distance(actor.subject.shape, x / radius, y / radius) * radius * size).clamp(0, 1)


def _soft_wave(phase: Tensor) -> Tensor:
    """A square wave of period 1 with edges about a pixel wide: values -1..1."""
    return (4 * torch.sin(2 * torch.pi * phase)).clamp(-1, 1)


def _shade(texture: str, x: Tensor, y: Tensor) -> Tensor:
    if texture == "striped":
        return _soft_wave((x + y) / TEXTURE_PERIOD)
    return _soft_wave(x / TEXTURE_PERIOD) * _soft_wave(y / TEXTURE_PERIOD)


def _draw_ground(ground: Ground, motion: Motion, size: int) -> Tensor:
    colour = torch.tensor(GROUND_COLOURS[ground.colour])
    if ground.texture == "plain":
        return colour.expand(motion.frames, size, size, 3).clone()
    grid = (torch.arange(size) + 0.5) / size - 0.5
    zoom = motion.zoom[:, None, None]
    x = grid[None, None, :] / zoom + REACH * motion.camera[:, 0, None, None]
    y = grid[None, :, None] / zoom + REACH * motion.camera[:, 1, None, None]
    x, y = torch.broadcast_tensors(x, y)
    return (colour + 0.11 * _shade(ground.texture, x, y)[..., None]).clamp(0, 1)


def render(ground: Ground, actors: Sequence[Actor], size: int = SIZE) -> Tensor:
    """Draw a clip: (N, size, size, 3), 0..1. The first actor's camera is everybody's; later actors cover earlier."""
    clip = _draw_ground(ground, actors[0].motion, size)
    for actor in actors:
        alpha = cover(actor, size)[..., None]
        clip = clip * (1 - alpha) + torch.tensor(SUBJECT_COLOURS[actor.subject.colour]) * alpha
    return clip


def draw_actor(rng: random.Random, frames: int = FRAMES) -> Actor:
    return Actor(draw_subject(rng), draw_motion(rng, frames), RADIUS * rng.uniform(0.8, 1.2))


def draw_clip(rng: random.Random, frames: int = FRAMES, size: int = SIZE) -> tuple[Tensor, Subject, Ground]:
    """A clip of the training distribution with the appearance that its caption names."""
    actor, ground = draw_actor(rng, frames), draw_ground(rng)
    return render(ground, [actor], size), actor.subject, ground
