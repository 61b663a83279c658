"""Augmentation: what differs between the versions of a clip, what stays the same, and random state."""

import random
import sys

import numpy
import pytest
import torch

from motion_core.errors import ModelError, OptionError
from motion_core.video.pictures.augmentation import AUGMENTATIONS, ZOOM, AugmentConfig, augment
from tests.conftest import seeded

FRAMES = seeded(3, 40, 64, 3).sigmoid()
EACH = pytest.mark.parametrize("how", AUGMENTATIONS)


@EACH
def test_the_original_comes_first_and_all_versions_differ(how):
    versions = augment(FRAMES, AugmentConfig(5, how))
    assert versions.shape == (5, 3, 40, 64, 3) and torch.equal(versions[0], FRAMES)
    assert versions.min() >= 0 and versions.max() <= 1 and versions.dtype == FRAMES.dtype
    assert all((one - other).abs().mean() > 1e-3 for i, one in enumerate(versions) for other in versions[:i])


@EACH
def test_all_frames_of_a_version_get_the_same_change(how):
    still = FRAMES[:1].expand(4, -1, -1, -1)
    versions = augment(still, AugmentConfig(6, how))
    torch.testing.assert_close(versions, versions[:, :1].expand_as(versions))


def dot(x: int, y: int) -> torch.Tensor:
    frame = torch.zeros(40, 64, 3)
    frame[y - 1 : y + 2, x - 1 : x + 2] = 1
    return frame


def test_spatial_augmentation_keeps_directions_and_scales_speed_by_the_zoom():
    clip = torch.stack([dot(28, 18), dot(34, 18), dot(34, 22)])  # right by 6, then down by 4
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(64.0), indexing="ij")
    for version in augment(clip, AugmentConfig(12, "spatial"))[1:]:
        weights = version.mean(-1)
        centres = torch.stack([(weights * axis).sum((1, 2)) / weights.sum((1, 2)) for axis in (columns, rows)], -1)
        (right, level), (still, down) = (centres[1:] - centres[:-1]).tolist()
        zoom = right / 6
        assert ZOOM[0] - 0.03 <= zoom <= ZOOM[1] + 0.03
        assert down / 4 == pytest.approx(zoom, rel=0.08)
        assert abs(level) < 0.2 and abs(still) < 0.2


def test_spatial_augmentation_shows_no_edge():
    white = torch.ones(2, 40, 64, 3)
    torch.testing.assert_close(augment(white, AugmentConfig(32, "spatial")), white.expand(32, -1, -1, -1, -1))


def test_colour_augmentation_moves_nothing():
    for version in augment(torch.stack([dot(28, 18), dot(34, 18)]), AugmentConfig(6, "colour"))[1:]:
        changed = (version[1] - version[0]).abs().sum(-1) > 1e-3
        assert torch.equal(changed, dot(28, 18).sum(-1) != dot(34, 18).sum(-1))


@EACH
def test_versions_depend_on_the_seed_alone_and_global_random_state_stays(how):
    states = torch.random.get_rng_state(), random.getstate(), numpy.random.get_state()[1].copy()
    one, same, other = (augment(FRAMES, AugmentConfig(3, how, seed)) for seed in (7, 7, 8))
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert random.getstate() == states[1] and (numpy.random.get_state()[1] == states[2]).all()
    assert torch.equal(one, same) and not torch.equal(one, other)
    torch.manual_seed(123)
    assert torch.equal(augment(FRAMES, AugmentConfig(3, how, 7)), one)


def test_options_out_of_range_and_a_missing_kornia_are_refused(monkeypatch):
    for change, says in (({"versions": 0}, "versions is 0"), ({"how": "flip"}, "augment is"), ({"seed": -1}, "seed")):
        with pytest.raises(OptionError, match=says):
            AugmentConfig(**change)
    with pytest.raises(OptionError, match=r"must be \(N, H, W, 3\)"):
        augment(FRAMES[0])
    monkeypatch.setitem(sys.modules, "kornia", None)
    assert torch.equal(augment(FRAMES, AugmentConfig(1))[0], FRAMES)  # one version needs no kornia
    with pytest.raises(ModelError, match="kornia could not be imported.*pip install kornia"):
        augment(FRAMES)
