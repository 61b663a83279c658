"""Metrics: what they do not depend on, what lowers them, and what they refuse."""

from functools import partial

import pytest
import torch
from torch import Tensor

from motion_core.errors import OptionError
from motion_core.metrics.clip_scores import (
    appearance_likeness,
    frame_consistency,
    temporal_consistency,
    text_similarity,
)
from motion_core.metrics.comparison import compare_motion
from motion_core.metrics.discrepancy import motion_discrepancy
from motion_core.metrics.fidelity import motion_fidelity, raw_motion_fidelity
from motion_core.tracking.tracks import Tracks


def randn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tracks(seed: int, count: int = 5, frames: int = 8) -> Tensor:
    return 40 + randn(seed, count, frames, 2).cumsum(1)


def discrepancy(reference: Tensor, output: Tensor) -> Tensor:
    return motion_discrepancy(reference, output, 64, 96)


def test_motion_fidelity_is_1_for_identical_and_minus_1_for_opposite_motion():
    source = tracks(0)
    assert motion_fidelity(source, source).item() == pytest.approx(1, abs=1e-12)
    assert motion_fidelity(source[:1], 80 - source[:1]).item() == pytest.approx(-1, abs=1e-12)
    assert motion_fidelity(source, tracks(1)) < 0.9


def test_raw_motion_fidelity_is_twice_the_halved_one():
    source, output = tracks(0), tracks(1, count=3)
    assert raw_motion_fidelity(source, output) == 2 * motion_fidelity(source, output)
    assert raw_motion_fidelity(source, source).item() == pytest.approx(2, abs=1e-12)
    assert raw_motion_fidelity(source, torch.ones_like(source)) == 0


def test_motion_fidelity_does_not_depend_on_position_speed_or_order_of_tracks():
    source, output = tracks(0), tracks(1, count=3)
    value = motion_fidelity(source, output)
    torch.testing.assert_close(motion_fidelity(source, 3 * output + 17), value)
    torch.testing.assert_close(motion_fidelity(source.flip(0), output), value)
    torch.testing.assert_close(motion_fidelity(output, source), value)


def test_steps_without_motion_count_as_0():
    still = torch.full((2, 8, 2), 5.0, dtype=torch.float64)
    assert motion_fidelity(still, still) == 0
    assert motion_fidelity(tracks(0), still) == 0
    source = tracks(0, count=1)
    paused = torch.cat([source, source[:, -1:].expand(1, 7, 2)], dim=1)  # moves for 7 of 14 steps
    assert motion_fidelity(paused, paused).item() == pytest.approx(0.5, abs=1e-12)


def test_steps_below_the_threshold_count_as_0():
    jitter = 0.01 * randn(0, 5, 8, 2)
    assert motion_fidelity(jitter, jitter).item() == pytest.approx(1)
    assert motion_fidelity(jitter, jitter, still=0.1) == 0
    moving = torch.tensor([[[0.0, 0], [0.3, 0.4], [0.3, 0.0]]])  # steps of 0.5 and 0.4 pixels
    assert [motion_fidelity(moving, moving, still).item() for still in (0.3, 0.45, 0.5)] == [1, 0.5, 0]


def test_motion_discrepancy_is_0_for_identical_tracks_in_any_order():
    reference = tracks(0, count=40)
    assert discrepancy(reference, reference.flip(0)) == 0
    assert discrepancy(reference.float(), reference.float()) == 0


def test_motion_discrepancy_grows_with_the_square_of_a_shift_in_both_directions():
    reference = tracks(0, count=1)
    shifted = reference + torch.tensor([3.0, 4.0])
    assert discrepancy(reference, shifted).item() == pytest.approx(25 / (64 * 96), rel=1e-12)
    assert discrepancy(reference, reference + 2 * (shifted - reference)).item() == pytest.approx(100 / (64 * 96))
    # a track without a partner counts in either clip: half of its distance, averaged over 2 tracks
    unmatched = torch.cat([reference, shifted])
    expected = 25 / (64 * 96) / 2 / 2
    assert discrepancy(reference, unmatched).item() == pytest.approx(expected, rel=1e-12)
    assert discrepancy(unmatched, reference).item() == pytest.approx(expected, rel=1e-12)


def test_motion_discrepancy_matches_whole_tracks():
    crossed = torch.tensor([[[0.0, 0.0], [10.0, 0.0]], [[10.0, 0.0], [0.0, 0.0]]])
    straight = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[10.0, 0.0], [10.0, 0.0]]])
    # frame by frame a nearest point would always be at distance 0
    assert motion_discrepancy(crossed, straight, 10, 10).item() == pytest.approx(0.5)


@pytest.mark.parametrize("metric", [motion_fidelity, discrepancy])
def test_metrics_of_tracks_keep_float64_and_use_float32_at_least(metric):
    source, output = tracks(0), tracks(1)
    value = metric(source, output)
    assert value.dtype == torch.float64 and value.shape == ()
    assert metric(source.half(), output.half()).dtype == torch.float32
    assert metric(source.float(), output).dtype == torch.float64
    whole = metric(source.round(), output.round())
    torch.testing.assert_close(metric(source.round().long(), output.round().long()).double(), whole, rtol=1e-5, atol=0)


@pytest.mark.parametrize("metric", [motion_fidelity, discrepancy])
def test_tracks_of_another_shape_are_refused(metric):
    good = tracks(0)
    for bad in (good[0], good[..., :1], good[:0], good[:, :0]):
        for pair in ((good, bad), (bad, good)):
            with pytest.raises(OptionError, match=r"give \(tracks, N, 2\)"):
                metric(*pair)
    with pytest.raises(OptionError, match="8 and 7 frames"):
        metric(good, good[:, 1:])


def test_one_frame_is_enough_for_discrepancy_and_too_few_for_fidelity():
    good = tracks(0, frames=1)
    with pytest.raises(OptionError, match="at least 1 track and 2 frame"):
        motion_fidelity(good, good)
    assert discrepancy(good, good) == 0


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, -1)])
def test_a_clip_without_pixels_is_refused(height, width):
    with pytest.raises(OptionError, match=f"{height} by {width} pixels"):
        motion_discrepancy(tracks(0), tracks(0), height, width)


def test_scores_do_not_depend_on_the_length_of_features():
    frames, text = randn(0, 6, 16), randn(1, 16)
    scale = torch.arange(1, 7, dtype=torch.float64)[:, None]
    torch.testing.assert_close(text_similarity(scale * frames, 9 * text), text_similarity(frames, text))
    torch.testing.assert_close(temporal_consistency(scale * frames), temporal_consistency(frames))
    torch.testing.assert_close(frame_consistency(scale * frames), frame_consistency(frames))


def test_text_similarity_of_the_same_direction_is_1():
    text = randn(1, 16)
    assert text_similarity(text.expand(4, 16), text).item() == pytest.approx(1)
    assert text_similarity(text.expand(4, 16), text[None]).item() == pytest.approx(1)
    assert text_similarity(-text.expand(4, 16), text).item() == pytest.approx(-1)


def test_temporal_consistency_takes_all_pairs_and_frame_consistency_neighbours():
    a, b = torch.eye(2, dtype=torch.float64)
    flicker = torch.stack([a, b, a, b])
    assert frame_consistency(flicker) == 0
    assert temporal_consistency(flicker).item() == pytest.approx(2 / 6)
    assert temporal_consistency(flicker[[0, 2, 1, 3]]).item() == pytest.approx(2 / 6)
    assert frame_consistency(flicker[[0, 2, 1, 3]]).item() == pytest.approx(2 / 3)


def at_cosine(cosine: float) -> Tensor:
    """(2,), whose cosine with (1, 0) is the given one."""
    return torch.tensor([cosine, (1 - cosine**2) ** 0.5], dtype=torch.float64)


def test_likeness_is_the_mean_cosine_of_the_output_frames_with_a_reference_frame():
    output = torch.stack([at_cosine(0.9), at_cosine(0.7)])
    assert appearance_likeness(output, at_cosine(1.0)[None]).item() == pytest.approx(0.8)
    assert appearance_likeness(7 * output, 3 * at_cosine(1.0)[None]).item() == pytest.approx(0.8)


def test_likeness_takes_the_most_similar_reference_frame_of_each_output_frame():
    reference = torch.stack([at_cosine(1.0), at_cosine(0.0)])
    assert appearance_likeness(reference.flip(0), reference).item() == pytest.approx(1)
    assert appearance_likeness(at_cosine(1.0)[None], reference).item() == pytest.approx(1)
    assert appearance_likeness(reference, at_cosine(1.0)[None]).item() == pytest.approx(0.5)
    assert appearance_likeness(-reference, reference).item() == pytest.approx(0)


def test_likeness_of_features_that_cannot_be_compared_is_refused():
    good = randn(0, 4, 5)
    for pair in ((good, good[0]), (good, good[:0]), (good[None], good)):
        with pytest.raises(OptionError, match=r"give \(N, D\)"):
            appearance_likeness(*pair)
    with pytest.raises(OptionError, match=r"\(4, 5\) and \(4, 3\) can't be compared"):
        appearance_likeness(good, good[:, :3])


def test_scores_of_features_keep_float64_and_use_float32_at_least():
    frames, text = randn(0, 6, 16), randn(1, 16)
    likeness = partial(appearance_likeness, reference_features=randn(2, 3, 16).half())
    for score in (temporal_consistency, frame_consistency, lambda f: text_similarity(f, text.to(f.dtype)), likeness):
        assert score(frames).dtype == torch.float64
        assert score(frames.half()).dtype == torch.float32


def test_features_of_another_shape_are_refused():
    frames = randn(0, 6, 16)
    for score in (temporal_consistency, frame_consistency):
        for bad in (frames[0], frames[:1], frames[None]):
            with pytest.raises(OptionError, match=r"give \(N, D\) with N of 2 or more"):
                score(bad)
    with pytest.raises(OptionError, match=r"give \(N, D\)"):
        text_similarity(frames[0], frames[0])
    for text in (frames[0, :8], frames[:2]):
        with pytest.raises(OptionError, match=r"\(6, 16\).*give \(N, D\) and \(D,\)"):
            text_similarity(frames, text)


def test_motion_is_compared_in_pixels_of_the_reference():
    reference = Tracks(tracks(0), 64, 96)
    same = compare_motion(reference, reference, still=0)
    assert (same.fidelity, same.raw, same.discrepancy) == pytest.approx((1, 2, 0), abs=1e-12)
    larger = Tracks((tracks(0) + 0.5) * 3 - 0.5, 192, 288)
    again = compare_motion(reference, larger, still=0)
    assert (again.fidelity, again.discrepancy) == pytest.approx((1, 0), abs=1e-12)
    assert compare_motion(reference, reference, still=1e3).fidelity == 0
    apart = compare_motion(reference, Tracks(tracks(1), 64, 96), still=0)
    assert apart.fidelity == pytest.approx(motion_fidelity(tracks(0), tracks(1)).item(), abs=1e-12)
    assert apart.discrepancy == pytest.approx(discrepancy(tracks(0), tracks(1)).item(), abs=1e-12)


@pytest.mark.parametrize("still", [-0.1, float("nan")])
def test_a_threshold_below_0_is_refused(still):
    with pytest.raises(OptionError, match="still="):
        motion_fidelity(tracks(0), tracks(0), still)
