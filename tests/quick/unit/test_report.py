"""Pictures that compare clips: layout, labels, tracks and scores."""

import pytest
import torch
from torch import Tensor

from motion_core.errors import OptionError
from motion_core.metrics.pictures import report as reports
from motion_core.metrics.pictures.report import Row, draw_report
from motion_core.metrics.pictures.side_by_side import LINE, side_by_side
from motion_core.metrics.pictures.tracked_clip import draw_tracked_clip
from motion_core.tracking.drawing import TIMES, colour_of
from motion_core.tracking.tracks import Tracks
from motion_core.video.pictures.contact_sheets import GAP
from motion_core.video.pictures.text import BACKGROUND, TEXT_COLOUR

DARK = torch.tensor(BACKGROUND) / 255


def grey(level: float, frames: int = 4, height: int = 40, width: int = 200) -> Tensor:
    return torch.full((frames, height, width, 3), level)


def moving(frames: int = 8, height: int = 40, width: int = 200) -> Tracks:
    """One track in the middle of the clip, a pixel a frame to the right."""
    x = width / 2 + torch.arange(float(frames))
    return Tracks(torch.stack([x, torch.full((frames,), height / 2)], 1)[None], height, width)


def is_colour(picture: Tensor, colour: tuple[int, int, int]) -> Tensor:
    return ((picture * 255).round() == torch.tensor(colour)).all(-1)


# ---- side by side


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
    growing = torch.linspace(0, 1, 3).view(3, 1, 1, 1).expand(3, 40, 200, 3)
    compared = side_by_side({"": grey(0.5, 6), "short": growing})
    assert [round(level, 2) for level in compared[:, -GAP - 1, -GAP - 1, 0].tolist()] == [0, 0.5, 1, 1, 1, 1]


def test_clips_are_scaled_to_the_height_of_the_first():
    compared = side_by_side({"": grey(0.5, 2, 40, 200), "b": grey(0.75, 2, 80, 600), "c": grey(1.0, 2, 20, 100)})
    assert compared.shape[2] == 200 + 300 + 200 + 4 * GAP
    row = compared[1, -GAP - 20, :, 0]
    levels = [row[column].item() for column in (GAP, GAP + 199, 2 * GAP + 200, 2 * GAP + 499, 3 * GAP + 500, -GAP - 1)]
    assert levels == pytest.approx([0.5, 0.5, 0.75, 0.75, 1, 1], abs=1e-5)


def test_small_clips_are_enlarged_without_blur():
    first, second = torch.rand(2, 64, 64, 3), torch.rand(2, 32, 64, 3)
    compared = side_by_side({"": first, " ": second})
    assert compared.shape[2] == 256 + 512 + 3 * GAP
    shown = compared[:, -GAP - 256 : -GAP]
    assert torch.equal(shown[:, ::4, GAP : GAP + 256 : 4], first)
    assert torch.equal(shown[:, ::8, 2 * GAP + 256 : -GAP : 8], second)


def test_the_label_grows_with_the_picture():
    heads = [side_by_side({"result": grey(0.5, 1, side, side)}).shape[1] - side for side in (512, 1024)]
    assert heads[1] > 1.5 * heads[0] > 15


def test_long_labels_are_wrapped_and_narrow_clips_are_widened():
    short, long = (side_by_side({"n" * 5 + " " + text: grey(0.5)}) for text in ("", "a long prompt " * 5))
    assert long.shape[2] == short.shape[2] == 200 + 2 * GAP
    assert long.shape[1] > short.shape[1] + 30
    assert side_by_side({"n" * LINE + " n": grey(0.5)}).shape[1] == short.shape[1]  # fits on one line
    narrow = side_by_side({"m" * LINE: grey(0.5, 4, 200, 8)})
    assert narrow.shape[2] > 100


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


# ---- one clip with its tracks


@pytest.mark.parametrize("frames", [2, 3, 8])
def test_the_time_stands_above_each_frame(frames):
    drawn = draw_tracked_clip(grey(0.5, frames, 64, 64), moving(frames, 64, 64))
    assert drawn.shape[0] == frames and drawn.shape[2] == 256 and 256 < drawn.shape[1] < 300
    above = drawn[:, :-256]
    places = [is_colour(above[number, -2], colour_of(number, frames)).nonzero() for number in range(frames)]
    middles = [place.float().mean().item() for place in places]
    assert middles == sorted(middles) and middles[0] < 20 and middles[-1] > 236  # the mark goes from left to right
    assert is_colour(above, TEXT_COLOUR).flatten(1).any(1).all()


def test_frames_below_their_tracks_stay_as_they_are():
    frames = torch.rand(4, 64, 64, 3)
    drawn = draw_tracked_clip(frames, moving(4, 64, 64))[:, -256:]
    assert torch.equal(drawn[:, :100:4, ::4], frames[:, :25])
    assert is_colour(drawn[3, 100:156], TIMES[-1]).any() and is_colour(drawn[0, 100:156], TIMES[0]).any()


@pytest.mark.parametrize("height, width", [(16, 16), (1024, 576), (64, 700)])
def test_the_text_fits_into_clips_of_any_shape(height, width):
    drawn = draw_tracked_clip(grey(0.5, 2, height, width), moving(2, height, width))
    scale = max(1, round(256 / max(height, width)))
    assert drawn.shape[2] == scale * width and drawn.shape[1] > scale * height + 0.05 * width


def test_no_track_and_tracks_of_another_clip():
    assert (draw_tracked_clip(grey(0.5), Tracks(torch.zeros(0, 4, 2), 40, 200))[:, -40:] == 0.5).all()
    with pytest.raises(OptionError, match="don't fit 4 frames"):
        draw_tracked_clip(grey(0.5), moving(5))
    with pytest.raises(OptionError, match=r"must be \(N, H, W, 3\)"):
        draw_tracked_clip(grey(0.5)[0], moving(4))


# ---- the report


def test_a_report_shows_frames_tracks_and_notes():
    rows = {"reference": Row(grey(0.5, 8)), "result": Row(grey(0.25, 5), moving(5), "0.91: the same motion")}
    plain = draw_report({label: Row(row.clip) for label, row in rows.items()})
    assert plain.ndim == 3 and plain.shape[1] == GAP + 6 * (200 + GAP)
    drawn = draw_report(rows)
    assert is_colour(drawn, reports.REMARK).sum() > is_colour(plain, reports.REMARK).sum() == 0
    top = (is_colour(drawn, (64, 64, 64)).sum(1) > 500).nonzero()[0].item()
    frames = drawn[top : top + 40 + GAP]
    for number in range(5):  # each of its frames has its track, and the colour of its time below it
        cell = frames[:, GAP + number * (200 + GAP) :][:, :200]
        colour = colour_of(number, 5)
        assert is_colour(cell[:40], colour).any() and is_colour(cell[40:], colour).all()
    assert not is_colour(frames[:, GAP + 5 * (200 + GAP) :], TIMES[-1]).any()
    noted = draw_report(rows, ["text similarity: 0.3"])
    assert torch.equal(noted[: len(drawn)], drawn)
    assert is_colour(noted[len(drawn) :], TEXT_COLOUR).any()


def test_the_colours_are_explained_only_where_there_are_tracks():
    plain, drawn = (draw_report({"a": Row(grey(0.5, 8), tracks)}) for tracks in (None, moving()))
    explained = drawn[plain.shape[0] + GAP :]
    assert all(is_colour(explained, colour).any() for colour in (TIMES[0], TIMES[-1], TEXT_COLOUR))


@pytest.mark.parametrize(
    "height, width, shown", [(64, 64, (256, 256)), (96, 32, (288, 96)), (300, 40, (300, 40)), (576, 1024, (180, 320))]
)
def test_frames_of_any_size_are_shown_at_a_readable_one(height, width, shown):
    report = draw_report({"": Row(grey(0.5, 3, height, width))})
    assert report.shape[:2] == (2 * GAP + shown[0], GAP + 3 * (shown[1] + GAP))
    tracked = draw_report({"": Row(grey(0.5, 3, height, width), moving(3, height, width))})
    assert is_colour(tracked, TIMES[-1]).any() and tracked.shape[0] > report.shape[0] + 12


def test_small_frames_of_a_report_are_not_blurred():
    frames = (torch.rand(1, 64, 64, 3) * 255).round() / 255
    report = draw_report({"": Row(frames)})
    assert torch.equal(report[GAP:-GAP:4, GAP:-GAP:4], frames[0])


def test_text_is_readable_in_a_node_at_any_size_of_the_frames():
    """A letter is at least a fortieth of the picture's width: 11 pixels in a node of 440."""
    for side in (64, 1024):
        rows = {"": Row(grey(0.5, 16, side, side))}
        without = draw_report(rows)
        labelled, noted = draw_report({"result": rows[""]}), draw_report(rows, ["text similarity"])
        assert (labelled.shape[0] - without.shape[0]) * 36 > without.shape[1]
        assert (noted.shape[0] - without.shape[0]) * 40 > without.shape[1]


def test_frames_of_clips_of_other_sizes_are_below_each_other():
    wide, tall = Row(grey(0.5, 8, 128, 256)), Row(grey(0.25, 8, 256, 128))
    report = draw_report({"": wide, " ": tall})
    starts = [is_colour(report, (level,) * 3).any(0).nonzero().flatten() for level in (128, 64)]
    assert set(starts[1].tolist()) < set(starts[0].tolist())
    assert (starts[1] - GAP).remainder(256 + GAP).max() < 128


def test_a_long_remark_goes_below_its_label():
    rows = {"a label of some length": Row(grey(0.5, 2, 256, 64), remark="motion fidelity 0.91: the same motion")}
    report, short = draw_report(rows), draw_report({"a label of some length": Row(grey(0.5, 2, 256, 64))})
    assert report.shape[0] > short.shape[0] + 16
    assert report.shape[1] <= 2 * (64 + GAP) + 100


def test_a_report_takes_few_frames_and_few_columns():
    assert draw_report({"": Row(grey(0.5, 1), moving(1))}).shape[1] > 200
    assert draw_report({"": Row(grey(0.5, 2), moving(2))}).shape[1] > 400
    assert draw_report({"": Row(grey(0.5, 30, 64, 64))}, columns=4).shape[1] == GAP + 4 * (256 + GAP)
    assert draw_report({"": Row(grey(0.5), Tracks(torch.zeros(0, 4, 2), 40, 200))}).shape[1] > 800


def test_a_report_refuses_what_does_not_fit():
    with pytest.raises(OptionError, match="don't fit 4 frames"):
        draw_report({"a": Row(grey(0.5), moving(5))})
    with pytest.raises(OptionError, match=r"must be \(N, H, W, 3\)"):
        draw_report({"a": Row(grey(0.5)[0])})
    with pytest.raises(OptionError, match="rows=0"):
        draw_report({})
    with pytest.raises(OptionError, match="columns=0"):
        draw_report({"a": Row(grey(0.5))}, columns=0)
