"""Recognises by rule what a synthetic clip shows: the colour and shape of its subject and of its ground."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .appearance import GROUND_COLOURS, SHAPES, SUBJECT_COLOURS, TEXTURES, Ground, Subject
from .scene import SIZE, TEXTURE_PERIOD
from .subject_tracking import Found, find_subject, grow, measure_difference

_ZOOMS = torch.linspace(0.6, 1.5, 8)
"""Zooms at which a texture is looked for: close enough to each other for its waves to stay in step."""
_LEAST_WAVE = 0.015
"""Amplitude in brightness below which there is no texture; the waves of rendered stripes have 0.13, of checks 0.08."""


@dataclass(frozen=True)
class Appearance:
    """What a clip shows. subject: None if no frame shows one; the lists hold one vote a frame; found: where it is."""

    subject: Subject | None
    ground: Ground
    subjects: list[Subject | None]
    grounds: list[Ground]
    found: Found


def _name_colours(colours: Tensor, palette: dict[str, tuple[float, float, float]]) -> list[str]:
    """The nearest name for each of (N, 3)."""
    difference = measure_difference(colours[:, None], torch.tensor(list(palette.values())))  # (N, names)
    return [list(palette)[best] for best in difference.argmin(1).tolist()]


def _draw_waves() -> Tensor:
    """What textures are made of at each zoom, in any phase: (zooms, 5, pixels).

    A constant, a wave along x + y (cosine and sine) and one along x - y. Stripes run across x + y only; checks, a
    wave in x times a wave in y, are both waves in equal strength.
    """
    phase = (torch.arange(SIZE) + 0.5) / (SIZE * TEXTURE_PERIOD) * 2 * torch.pi / _ZOOMS[:, None]  # (zooms, size)
    x, y = torch.broadcast_tensors(phase[:, None, :], phase[:, :, None])
    waves = [torch.ones_like(x), (x + y).cos(), (x + y).sin(), (x - y).cos(), (x - y).sin()]
    return torch.stack(waves, 1).flatten(2)


def _measure_waves(brightness: Tensor, weight: Tensor) -> Tensor:
    """Amplitude of the waves along x + y and x - y, at the zoom that fits best. (N, pixels) twice -> (N, 2)."""
    waves = _draw_waves()
    pairs = waves[:, :, None] * waves[:, None]  # (zooms, 5, 5, pixels)
    gram = torch.einsum("np,zijp->nzij", weight, pairs) + 1e-3 * torch.eye(waves.shape[1])
    projection = torch.einsum("np,zip->nzi", weight * brightness, waves)
    fit = torch.linalg.solve(gram, projection)  # (N, zooms, 5)
    best = (fit * projection).sum(-1).argmax(1)
    return fit[torch.arange(len(fit)), best, 1:].unflatten(1, (2, 2)).norm(dim=-1)


def _name_textures(clip: Tensor, found: Found) -> list[str]:
    weight = (1 - grow(found.mask, 3)).flatten(1)
    brightness = (clip - found.ground[:, None, None]).mean(-1).flatten(1)
    along, across = _measure_waves(brightness, weight).unbind(1)
    checkered = across > along / 2
    best = torch.where(along.maximum(across) < _LEAST_WAVE, 0, torch.where(checkered, 2, 1))
    return [TEXTURES[i] for i in best.tolist()]


def _name_subjects(found: Found) -> list[Subject | None]:
    colours = _name_colours(found.colour, SUBJECT_COLOURS)
    shapes = [SHAPES[i] for i in found.misfit.argmin(1).tolist()]
    named = zip(colours, shapes, found.visible.tolist(), strict=True)
    return [Subject(colour, shape) if visible else None for colour, shape, visible in named]


def _choose(votes: Sequence[str]) -> str:
    return Counter(votes).most_common(1)[0][0]


@torch.no_grad()
def recognise(clip: Tensor) -> Appearance:
    """Name what a clip (N, 64, 64, 3), 0..1, shows, by the votes of its frames."""
    found = find_subject(clip)
    clip = clip.float().cpu()
    subjects = _name_subjects(found)
    names = zip(_name_colours(found.ground, GROUND_COLOURS), _name_textures(clip, found), strict=True)
    grounds = [Ground(colour, texture) for colour, texture in names]
    visible = [s for s in subjects if s]
    subject = Subject(_choose([s.colour for s in visible]), _choose([s.shape for s in visible])) if visible else None
    ground = Ground(_choose([g.colour for g in grounds]), _choose([g.texture for g in grounds]))
    return Appearance(subject, ground, subjects, grounds, found)


def measure_agreement(appearance: Appearance, subject: Subject, ground: Ground) -> dict[str, float]:
    """Share of frames, 0..1, with the right `colour`, `shape` and `ground` (colour and texture), and their `mean`."""
    frames = len(appearance.grounds)
    share = {
        "colour": sum(s is not None and s.colour == subject.colour for s in appearance.subjects) / frames,
        "shape": sum(s is not None and s.shape == subject.shape for s in appearance.subjects) / frames,
        "ground": sum(g == ground for g in appearance.grounds) / frames,
    }
    return share | {"mean": sum(share.values()) / 3}


def appearance_agreement(clip: Tensor, subject: Subject, ground: Ground) -> dict[str, float]:
    """How well a clip (N, 64, 64, 3), 0..1, shows what its caption names: see `measure_agreement`."""
    return measure_agreement(recognise(clip), subject, ground)
