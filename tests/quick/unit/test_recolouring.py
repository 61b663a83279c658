"""Recolouring: what differs between the colourings of a clip, and what stays the same."""

import torch

from motion_core.video.pictures.recolouring import COLOURINGS, recolour
from tests.conftest import seeded

FRAMES = seeded(3, 4, 5, 3).sigmoid()


def test_the_original_comes_first():
    for count in range(1, COLOURINGS + 1):
        versions = recolour(FRAMES, count)
        assert versions.shape == (count, 3, 4, 5, 3) and torch.equal(versions[0], FRAMES)


def test_all_colourings_differ_and_stay_in_range():
    versions = recolour(FRAMES)
    assert len({version.flatten()[:60].numpy().tobytes() for version in versions}) == COLOURINGS
    assert versions.min() >= 0 and versions.max() <= 1


def test_all_colourings_change_by_the_same_amounts():
    steps = (recolour(FRAMES)[:, 1:] - recolour(FRAMES)[:, :-1]).abs().sum(-1)
    for version in steps[1:]:
        torch.testing.assert_close(version, steps[0])
