"""Pictures that compare clips: layout, labels, tracks and scores."""

import pytest
import torch
from torch import Tensor

from motion_core.errors import OptionError
from motion_core.metrics.report import LINE, draw_report, side_by_side
from motion_core.video.pictures.contact_sheets import BACKGROUND, GAP

DARK = torch.tensor(BACKGROUND) / 255


def grey(level: float, frames: int = 4, height: int = 40, width: int = 200) -> Tensor:
    return torch.full((frames, height, width, 3), level)


def test_clips_are_side_by_side_below_their_labels():
    first, second = torch.rand(4, 40, 200, 3), torch.rand(4, 40, 240, 3)
    compared = side_by_side({"one": first, "two": second})
    assert compared.shape[0] == 4 and compared.shape[2] == 200 + 240 + 3 * GAP
    top = compared.shape[1] - 40 - GAP
    assert torch.equal(compared[:, top:-GAP, GAP : GAP + 200], first)
    assert torch.equal(compared[:, top:-GAP, 2 * GAP + 200 : -GAP], second)
    head = compared[:, :top]
    assert head.amax() > 0.7 and torch.equal(head[0], head[3])  # text, the same in each frame
    bare = side_by_side({"": first})
    assert bare.shape == (4, 40 + 3 * GAP, 200 + 2 * GAP, 3) and torch.equal(bare[0, 0], DARK.expand(bare.shape[2], 3))


def test_shorter_clips_repeat_their_last_frame():
    moving = torch.linspace(0, 1, 3).view(3, 1, 1, 1).expand(3, 40, 200, 3)
    compared = side_by_side({"": grey(0.5, 6), "short": moving})
    assert [round(level, 2) for level in compared[:, -GAP - 1, -GAP - 1, 0].tolist()] == [0, 0.5, 1, 1, 1, 1]


def test_clips_are_scaled_to_the_height_of_the_first():
    compared = side_by_side({"": grey(0.5, 2, 40, 200), "b": grey(0.75, 2, 80, 600), "c": grey(1.0, 2, 20, 100)})
    assert compared.shape[2] == 200 + 300 + 200 + 4 * GAP
    row = compared[1, -GAP - 20, :, 0]
    levels = [row[column].item() for column in (GAP, GAP + 199, 2 * GAP + 200, 2 * GAP + 499, 3 * GAP + 500, -GAP - 1)]
    assert levels == pytest.approx([0.5, 0.5, 0.75, 0.75, 1, 1], abs=1e-5)


def test_long_labels_are_wrapped_and_narrow_clips_are_widened():
    short, long = (side_by_side({"n" * 5 + " " + text: grey(0.5)}) for text in ("", "a long prompt " * 5))
    assert long.shape[2] == short.shape[2] == 200 + 2 * GAP
    assert long.shape[1] > short.shape[1] + 30
    assert side_by_side({"n" * LINE + " n": grey(0.5)}).shape[1] == short.shape[1]  # fits on one line
    narrow = side_by_side({"m" * LINE: grey(0.5, width=8), "b": grey(0.5, width=8)})
    assert narrow.shape[2] > 100 and narrow.shape[1] == short.shape[1]


def test_height_and_width_are_even():
    for height, width in ((41, 201), (40, 201), (41, 200)):
        compared = side_by_side({"one": grey(0.5, 2, height, width)})
        assert not compared.shape[1] % 2 and not compared.shape[2] % 2
        assert (compared[:, -GAP - height : -GAP, GAP : GAP + width] == 0.5).all()


def test_comparing_no_clip_or_another_shape_is_refused():
    with pytest.raises(OptionError, match="no clip to compare"):
        side_by_side({})
    with pytest.raises(OptionError, match=r"must be \(N, H, W, 3\)"):
        side_by_side({"a": grey(0.5), "b": grey(0.5)[0]})


def test_a_report_shows_frames_tracks_and_scores():
    clips = {"reference": grey(0.5, 8, 130, 150), "result": grey(0.25, 5, 130, 150)}
    tracks = {"result": torch.tensor([[[75.0, 65.0]]]).expand(1, 5, 2)}
    plain = draw_report(clips, {}, {})
    assert plain.ndim == 3 and plain.shape[0] == 3 * GAP + 2 * 130 + GAP
    drawn = draw_report(clips, tracks, {})
    y, x = (drawn != plain).any(-1).nonzero().T
    assert len(y) and y.min() > 130 and y.max() - y.min() <= 4  # only in the second row
    assert len({column // (150 + GAP) for column in (x - x.min()).tolist()}) == 5  # in each of its frames
    numbered = draw_report(clips, tracks, {"motion fidelity": 0.9, "leakage": 0.1})
    assert torch.equal(numbered[: len(plain) - GAP], drawn[: len(plain) - GAP])
    assert numbered.shape[0] > plain.shape[0] + 30 and numbered[len(plain) :].amax() > 0.7


def test_a_report_enlarges_small_clips():
    report = draw_report({"": grey(0.5, 3, 64, 64)}, {}, {})
    assert report.shape[0] == 2 * GAP + 128 + GAP
    assert report.shape[1] == GAP + 3 * (128 + GAP)
    assert draw_report({"": grey(0.5, 30, 64, 64)}, {}, {}, columns=4).shape[1] == GAP + 4 * (128 + GAP)


def test_a_report_refuses_tracks_that_fit_no_clip():
    with pytest.raises(OptionError, match="tracks are labelled 'c' and no clip is; use one of a, b"):
        draw_report({"a": grey(0.5), "b": grey(0.5)}, {"c": torch.zeros(1, 4, 2)}, {})
    with pytest.raises(OptionError, match="don't fit 4 frames"):
        draw_report({"a": grey(0.5)}, {"a": torch.zeros(1, 5, 2)}, {})
    with pytest.raises(OptionError, match="rows=0"):
        draw_report({}, {}, {})
