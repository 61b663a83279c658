"""The picture of the loss that the training nodes show."""

import numpy
import pytest

from tests.quick.unit.host_files import import_host_file

RISING = [0.01 * step for step in range(1, 201)]


@pytest.fixture
def curve():
    return import_host_file("loss_curve")


def rows_of(curve, picture, colour):
    """The rows below the label's strip, and within it, that have a pixel of the colour."""
    rows = numpy.flatnonzero((numpy.asarray(picture) == colour).all(-1).any(-1))
    return rows[rows >= curve.LABEL_STRIP], rows[rows < curve.LABEL_STRIP]


@pytest.mark.parametrize("losses", [RISING, RISING[::-1], [0.5] * 200, [0.5]])
def test_the_label_has_a_strip_of_its_own_above_the_curve(curve, losses):
    picture = curve.draw_curve(losses, 200)
    assert picture.size == curve.CURVE_SIZE and picture.height > 4 * curve.LABEL_STRIP
    below, _ = rows_of(curve, picture, curve.TEXT)
    assert not len(below), "the label reaches below its strip"
    strip = numpy.asarray(picture)[: curve.LABEL_STRIP]
    assert (strip[0] == curve.STRIP).all() and (strip[-1] == curve.STRIP).all()
    drawn, _ = rows_of(curve, picture, curve.LINE)
    assert bool(len(drawn)) == (len(losses) > 1) and all(drawn > curve.LABEL_STRIP)


def test_the_parts_of_the_label_keep_apart(curve):
    picture = numpy.asarray(curve.draw_curve([0.1234] * 10_000, 10_000))
    strip = (picture[: curve.LABEL_STRIP] != curve.STRIP).any(-1).any(0)
    ends = numpy.flatnonzero(numpy.diff(numpy.r_[0, strip.astype(int), 0]))
    gaps = ends[2::2] - ends[1:-1:2]
    assert (gaps >= 16).sum() == 1, gaps
