"""Finds the subject of a synthetic clip by rule: where it is, how large, and which pixels it covers.

Each frame is measured by itself, so that a subject that changes midway is found as it is. Nothing is learnt,
and nothing assumes clean pictures: generated clips are blurry, noisy and a bit off in colour.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import VideoError
from .appearance import SHAPES, Subject
from .paths import Motion
from .scene import RADIUS, REACH, SIZE, Actor, cover

_BRIGHTNESS_SPREAD = 0.10
_HUE_SPREAD = 0.08
"""How far a ground's pixels usually stray from its colour: texture is a change of brightness, never of hue."""
_FOREIGN = 2.6
"""Spreads from the ground at which a pixel is foreign to it: half of what the most similar pair of colours has."""
_SEED = 15
"""Side in pixels of the window in which the most foreign pixels pick the blob: a usual subject, larger than noise."""
_AREA = (20, SIZE * SIZE // 2)
"""Pixels a subject covers: drawn ones have 50 to 1500, less where the picture ends."""
_REACHED = 2
"""Pixels around the blob in which its soft edge lies."""
_FIT_SIZE = SIZE // 2
_FIT_STEPS = 8
_RADII = (0.3 * RADIUS * SIZE, 2.2 * RADIUS * SIZE)
_AREAS = torch.tensor([3.14, 3.24, 1.80, 2.51])
_LOWERED = torch.tensor([0.0, 0.0, 0.118, 0.0])
"""Of `SHAPES` of radius 1: area, and how far the centroid lies below the centre."""


@dataclass(frozen=True)
class Found:
    """The subject of a clip, frame by frame; positions are in pixels from the upper left corner of the picture.

    mask: (N, H, W) share of each pixel that is subject, 0..1
    track: (N, 2) centre (x, y); a frame without a subject repeats the nearest one that has it
    radius: (N,) in pixels, as `scene.Actor` means it
    visible: (N,) bool
    colour, ground: (N, 3) colours of subject and ground as they are in the picture
    misfit: (N, shapes) squared pixels by which the mask differs from the best fit of each of `SHAPES`
    """

    mask: Tensor
    track: Tensor
    radius: Tensor
    visible: Tensor
    colour: Tensor
    ground: Tensor
    misfit: Tensor


def measure_difference(colours: Tensor, others: Tensor) -> Tensor:
    """How foreign colours are to each other, in spreads of a ground's pixels. (..., 3), (..., 3) -> (...)."""
    difference = colours - others
    brightness = difference.mean(-1)
    hue = difference - brightness[..., None]
    return ((brightness / _BRIGHTNESS_SPREAD).square() + hue.square().sum(-1) / _HUE_SPREAD**2).sqrt()


def _average(pixels: Tensor, weight: Tensor) -> Tensor:
    """pixels: (N, H, W, 3), weight: (N, H, W) -> (N, 3)."""
    return torch.einsum("nhwc,nhw->nc", pixels, weight) / weight.sum((1, 2)).clamp(min=1e-6)[:, None]


def _estimate_ground(clip: Tensor) -> Tensor:
    """The colour of each frame's ground, whatever its texture: (N, 3)."""
    ground = clip.flatten(1, 2).median(1).values  # of either shade of a texture; the rounds below find the middle
    for _ in range(3):
        near = measure_difference(clip, ground[:, None, None]) < _FOREIGN
        ground = _average(clip, near.to(clip))
    return ground


def grow(mask: Tensor, pixels: int) -> Tensor:
    """Widen a mask (N, H, W) by some pixels on every side."""
    return F.max_pool2d(mask[:, None], 2 * pixels + 1, 1, pixels)[:, 0]


def _smooth(mask: Tensor, width: int) -> Tensor:
    """Average over a square window; beyond the picture there is nothing. (..., n, n) -> (..., n, n)."""
    place = torch.arange(mask.shape[-1])
    band = ((place[:, None] - place).abs() <= width // 2).to(mask) / width
    return band @ mask @ band


def _pick_blob(foreign: Tensor) -> Tensor:
    """The connected part around the densest place. foreign, result: (N, H, W) of 0 and 1."""
    dense = (_smooth(foreign, _SEED) * foreign).flatten(1)
    seed = F.one_hot(dense.argmax(1), dense.shape[1]).to(foreign)
    blob = seed.view_as(foreign) * foreign
    while True:  # flood, across gaps of a pixel
        wider = grow(blob, 2) * foreign
        if torch.equal(wider, blob):
            return blob
        blob = wider


def _estimate_colour(clip: Tensor, blob: Tensor, difference: Tensor) -> Tensor:
    """The subject's colour where it is least mixed with the ground's, which is where it differs most: (N, 3)."""
    inside = difference * blob
    purity = inside / inside.amax((1, 2), keepdim=True).clamp(min=1e-6)
    return _average(clip, purity**6)


def _estimate_mask(clip: Tensor, ground: Tensor, colour: Tensor) -> Tensor:
    """How far each pixel is from the ground's colour to the subject's, along what tells them apart best: (N, H, W)."""
    way = colour - ground
    brightness = way.mean(-1, keepdim=True)
    direction = brightness / 3 / _BRIGHTNESS_SPREAD**2 + (way - brightness) / _HUE_SPREAD**2
    share = torch.einsum("nhwc,nc->nhw", clip - ground[:, None, None], direction)
    return (share / (way * direction).sum(-1).clamp(min=1e-6)[:, None, None]).clamp(0, 1)


def _draw_shape(shape: str, place: Tensor) -> Tensor:
    """Draw at the size of the fit, blurred so that the blur of the picture matters less.

    place: (M, 3) x, y, radius in pixels -> (M, h, w).
    """
    zoom = place[:, 2] / (RADIUS * SIZE)
    path = (place[:, :2] / SIZE - 0.5) / REACH
    motion = Motion(path / zoom[:, None], torch.zeros_like(path), zoom)
    return _smooth(cover(Actor(Subject("white", shape), motion), _FIT_SIZE), 3)


def _fit_shape(shape: str, mask: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Move and scale a shape until it covers the mask: damped Gauss-Newton steps on the squared difference.

    mask: (N, h, w); place: (N, 3) x, y, radius in pixels -> the best place and its squared difference (N,).
    """
    nudges = torch.cat([torch.zeros(1, 3), 0.5 * torch.eye(3)])  # (4, 3)
    best, least = place, torch.full((len(mask),), torch.inf)
    for _ in range(_FIT_STEPS):
        drawn = _draw_shape(shape, (place[:, None] + nudges).flatten(0, 1)).view(len(mask), 4, -1)
        wrong = mask.flatten(1) - drawn[:, 0]
        error = wrong.square().sum(-1)
        better = error < least
        best, least = torch.where(better[:, None], place, best), torch.where(better, error, least)
        slope = (drawn[:, 1:] - drawn[:, :1]) / 0.5  # (N, 3, pixels)
        curvature = slope @ slope.mT + 0.05 * torch.eye(3)
        step = torch.linalg.solve(curvature, torch.einsum("nkp,np->nk", slope, wrong)).clamp(-3, 3)
        place = place + step
        place = torch.cat([place[:, :2].clamp(0, SIZE), place[:, 2:].clamp(*_RADII)], -1)
    return best, least * (SIZE / _FIT_SIZE) ** 2


def _fit_shapes(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Fit each of `SHAPES` to a mask (N, H, W): places (N, shapes, 3) of x, y, radius, and misfits (N, shapes)."""
    area = mask.sum((1, 2)).clamp(min=1.0)
    middle = torch.arange(SIZE) + 0.5
    centroid = torch.stack([mask.sum(1) @ middle, mask.sum(2) @ middle], -1) / area[:, None]
    small = _smooth(F.avg_pool2d(mask[:, None], SIZE // _FIT_SIZE)[:, 0], 3)  # as drawn shapes are: see `_draw_shape`
    fits = []
    for shape, unit, lowered in zip(SHAPES, _AREAS, _LOWERED, strict=True):
        radius = (area / unit).sqrt()
        start = torch.stack([centroid[:, 0], centroid[:, 1] - lowered * radius, radius.clamp(*_RADII)], -1)
        fits.append(_fit_shape(shape, small, start))
    places, misfits = zip(*fits, strict=True)
    return torch.stack(places, 1), torch.stack(misfits, 1)


def _fill_gaps(track: Tensor, visible: Tensor) -> Tensor:
    """Give frames without a subject the place of the nearest frame that has one. track: (N, 2)."""
    if not visible.any():
        return torch.full_like(track, SIZE / 2)
    times = torch.arange(len(track))
    apart = (times[:, None] - times).abs() + len(track) * ~visible  # (N, N)
    return track[apart.argmin(1)]


@torch.no_grad()
def find_subject(clip: Tensor) -> Found:
    """Find the subject of a clip (N, 64, 64, 3), 0..1."""
    if clip.dim() != 4 or clip.shape[1:] != (SIZE, SIZE, 3):
        raise VideoError(f"the clip is {tuple(clip.shape)}; give one of the starter model: (N, {SIZE}, {SIZE}, 3)")
    clip = clip.float().cpu()
    ground = _estimate_ground(clip)
    difference = measure_difference(clip, ground[:, None, None])
    blob = _pick_blob((difference > _FOREIGN).to(clip))
    area = blob.sum((1, 2))
    visible = (area >= _AREA[0]) & (area <= _AREA[1])
    colour = _estimate_colour(clip, blob, difference)
    mask = _estimate_mask(clip, ground, colour) * grow(blob, _REACHED) * visible[:, None, None]
    places, misfit = _fit_shapes(mask)
    shape = misfit[visible].sum(0).argmin()  # one for the clip: the centres of two shapes differ
    track = _fill_gaps(places[:, shape, :2], visible)
    return Found(mask, track, places[:, shape, 2], visible, colour, ground, misfit)
