"""What the colourings of a clip share and what they do not."""

import torch

from motion_core.video.pictures.recolouring import COLOURINGS, recolour
from tests.conftest import seeded

FRAMES = seeded(3, 4, 5, 3).sigmoid()


def test_the_clip_as_it_is_comes_first():
    for count in range(1, COLOURINGS + 1):
        versions = recolour(FRAMES, count)
        assert versions.shape == (count, 3, 4, 5, 3) and torch.equal(versions[0], FRAMES)


def test_no_two_colourings_are_alike_and_all_are_pictures():
    versions = recolour(FRAMES)
    assert len({version.flatten()[:60].numpy().tobytes() for version in versions}) == COLOURINGS
    assert versions.min() >= 0 and versions.max() <= 1


def test_colourings_move_alike():
    steps = (recolour(FRAMES)[:, 1:] - recolour(FRAMES)[:, :-1]).abs().sum(-1)
    for version in steps[1:]:
        torch.testing.assert_close(version, steps[0])
