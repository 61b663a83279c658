"""Trackers, with a clip of known motion, and the drawing of tracks."""

import sys
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from motion_core.errors import ModelError, OptionError, VideoError
from motion_core.metrics.fidelity import motion_fidelity
from motion_core.tracking.drawing import TIMES, colour_of, draw_times, draw_tracks, thin_out
from motion_core.tracking.grid_tracking import place_grid, track_grid
from motion_core.tracking.raft import move_along
from motion_core.tracking.tracker import TRACKERS, find_tracker
from motion_core.tracking.tracks import Tracks

SHIFT = torch.tensor([3.0, -2.0])
"""Pixels per frame by which `drift` moves."""


def drift(frames: int = 6, height: int = 64, width: int = 96) -> Tensor:
    """A smooth texture that moves by SHIFT each frame."""
    coarse = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    wide = F.interpolate(coarse, (144, 192), mode="bicubic").clamp(0, 1)[0].permute(1, 2, 0)
    windows = []
    for number in range(frames):
        left, top = (torch.tensor([40, 40]) - number * SHIFT.long()).tolist()
        windows.append(wide[top : top + height, left : left + width])
    return torch.stack(windows)


def shift_by(shift: Tensor):
    """A tracking step that returns the true motion. Frames get brighter with time, which gives its direction."""
    return lambda frame, other, points: points + (shift if frame.mean() < other.mean() else -shift)


BRIGHTENING = torch.linspace(0, 1, 5).view(5, 1, 1, 1).expand(5, 20, 30, 3)


# ---- the grid and the forward-backward check


def test_the_grid_is_even_and_centred():
    grid = place_grid(torch.zeros(2, 20, 30, 3), 10)
    assert grid.tolist() == [[x, y] for y in (4.5, 14.5) for x in (4.5, 14.5, 24.5)]
    assert place_grid(torch.zeros(2, 64, 100, 3), 0).shape == (16 * 25, 2)  # 4 pixels at least
    assert place_grid(torch.zeros(2, 400, 600, 3), 0).shape == (20 * 30, 2)  # a twentieth of the shorter side
    assert place_grid(torch.zeros(2, 8, 8, 3), 64).tolist() == [[3.5, 3.5]]


def test_points_are_tracked_through_every_frame():
    tracks = track_grid(BRIGHTENING, 10, shift_by(SHIFT))
    assert tracks.shape == (6, 5, 2)
    assert torch.equal(tracks[:, 0], place_grid(BRIGHTENING, 10))
    assert torch.equal(tracks.diff(dim=1), SHIFT.expand(6, 4, 2))


def test_points_that_do_not_come_back_are_dropped():
    def step(frame: Tensor, other: Tensor, points: Tensor) -> Tensor:
        moved = shift_by(SHIFT)(frame, other, points)
        if frame.mean() < other.mean():
            moved[points[:, 0] > 20] += 1.5  # wrong
            moved[points[:, 1] > 12] = torch.nan  # lost
        return moved

    tracks = track_grid(BRIGHTENING, 10, step)
    assert tracks[:, 0].tolist() == [[4.5, 4.5]]  # (14.5, 4.5) is wrong in the third frame
    assert torch.equal(tracks.diff(dim=1), SHIFT.expand(1, 4, 2))


def test_a_clip_that_loses_every_point_is_refused():
    with pytest.raises(VideoError, match="frame 2 of 5.*smaller spacing"):
        track_grid(BRIGHTENING, 10, lambda frame, other, points: points * torch.nan)


def test_frames_of_another_shape_are_refused():
    for bad in (torch.zeros(4, 8, 8), torch.zeros(4, 8, 8, 3, dtype=torch.uint8)):
        with pytest.raises(OptionError, match=r"must be \(N, H, W, 3\)"):
            place_grid(bad, 4)
    with pytest.raises(OptionError, match="1 frame; give 2 or more"):
        place_grid(torch.zeros(1, 8, 8, 3), 4)


# ---- OpenCV


@pytest.fixture
def lucas_kanade():
    pytest.importorskip("cv2", reason="OpenCV is not installed: pip install opencv-python-headless")
    return find_tracker("lucas_kanade", spacing=8)


def test_lucas_kanade_recovers_a_known_shift(lucas_kanade):
    tracks = lucas_kanade.track(drift())
    assert tracks.dtype == torch.float32 and tracks.shape[1:] == (6, 2)
    assert len(tracks) > 40  # of 96, less those that leave the picture
    assert (tracks.diff(dim=1) - SHIFT).abs().quantile(0.9) < 0.1
    assert type(find_tracker()) is type(lucas_kanade)


def test_fidelity_of_lucas_kanade_tracks_is_high_low_and_zero_for_same_reversed_and_no_motion(lucas_kanade):
    clip = drift()
    forwards, backwards = lucas_kanade.track(clip), lucas_kanade.track(clip.flip(0))
    assert motion_fidelity(forwards, forwards).item() == pytest.approx(1, abs=1e-6)
    assert motion_fidelity(forwards, backwards) < -0.9
    still = lucas_kanade.track(clip[:1].expand(6, -1, -1, -1))
    assert motion_fidelity(still, still) == 0 and motion_fidelity(forwards, still) == 0


def test_lucas_kanade_takes_half_precision_and_refuses_frames_without_texture(lucas_kanade):
    assert len(lucas_kanade.track(drift().half())) > 40
    with pytest.raises(VideoError, match="more texture"):
        lucas_kanade.track(torch.full((3, 32, 32, 3), 0.5))
    with pytest.raises(OptionError, match="1 frame; give 2 or more"):
        lucas_kanade.track(drift()[:1])


# ---- RAFT


def test_points_move_along_a_flow():
    flow = torch.zeros(10, 20, 2)
    flow[:, 10:] = torch.tensor([2.0, 1.0])
    points = torch.tensor([[3.0, 3.0], [12.0, 3.0], [9.5, 0.0], [18.5, 3.0], [15.0, 8.5]])
    moved = move_along(flow, points)
    torch.testing.assert_close(moved[:3], torch.tensor([[3.0, 3.0], [14.0, 4.0], [10.5, 0.5]]))
    assert moved[3:].isnan().all()  # they leave to the right and below


@pytest.mark.parametrize("size", ["raft_small", "raft_large"])
def test_raft_weights_are_read_from_a_file(tmp_path, size):
    flow = pytest.importorskip(
        "torchvision.models.optical_flow", reason="torchvision is not installed", exc_type=ImportError
    )
    path = tmp_path / "weights.pth"
    model = getattr(flow, size)()
    torch.save(model.state_dict(), path)
    tracker = find_tracker("raft", 8, path)
    assert all(torch.equal(a, b.cpu()) for a, b in zip(model.parameters(), tracker.model.parameters(), strict=True))
    frames = drift(2, 60, 90)
    estimated = tracker.estimate_flow(*frames)
    assert estimated.shape == (60, 90, 2) and estimated.dtype == torch.float32 and not estimated.requires_grad


def test_the_flow_of_raft_is_scaled_to_the_size_of_the_frames():
    from motion_core.tracking.raft import Raft

    class Even(torch.nn.Module):
        """A model whose flow is 4 pixels to the right and 2 down everywhere."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, frame: Tensor, next_frame: Tensor) -> list[Tensor]:
            assert frame.shape == (1, 3, 128, 256) and -1 <= frame.min() < 0 < frame.max() <= 1
            return [frame.new_zeros(1, 2, 128, 256), torch.tensor([4.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 128, 256)]

    flow = Raft(Even()).estimate_flow(*drift(2, 64, 96).repeat(1, 1, 3, 1)[:, :, :256])
    torch.testing.assert_close(flow, torch.tensor([4.0, 1.0]).expand(64, 256, 2))


def test_raft_refuses_missing_weights_and_those_of_another_model(tmp_path):
    with pytest.raises(ModelError, match="not at None; give the path"):
        find_tracker("raft")
    path = tmp_path / "weights.pth"
    torch.save({"other": torch.zeros(2)}, path)
    with pytest.raises(ModelError, match="holds no weights|torchvision could not be imported"):
        find_tracker("raft", weights=path)


# ---- CoTracker, whose package the user installs


@pytest.fixture
def predictor(monkeypatch):
    """A stand-in for the package. Its tracks all move by SHIFT, and it records its inputs."""
    inputs = SimpleNamespace()

    class CoTrackerPredictor(torch.nn.Module):
        def __init__(self, checkpoint: str):
            super().__init__()
            inputs.checkpoint = checkpoint

        def forward(self, video: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
            inputs.video = video
            assert (queries[..., 0] == 0).all()
            tracks = queries[:, None, :, 1:] + SHIFT * torch.arange(video.shape[1])[:, None, None]
            return tracks, torch.zeros(tracks.shape[:3], dtype=torch.bool)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setitem(sys.modules, "cotracker", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "cotracker.predictor", SimpleNamespace(CoTrackerPredictor=CoTrackerPredictor))
    return inputs


def test_cotracker_gets_a_grid_and_bytes_and_returns_tracks(predictor, tmp_path):
    path = tmp_path / "scaled_offline.pth"
    path.touch()
    frames = drift(5)
    tracks = find_tracker("cotracker", 16, path).track(frames)
    assert predictor.checkpoint == str(path)
    assert predictor.video.shape == (1, 5, 3, 64, 96) and 200 < predictor.video.max() <= 255
    assert torch.equal(tracks[:, 0], place_grid(frames, 16))
    assert torch.equal(tracks.diff(dim=1), SHIFT.expand(24, 4, 2))


def test_cotracker_without_weights_or_package_is_an_error_that_says_what_to_do(monkeypatch, tmp_path):
    with pytest.raises(ModelError, match="not at None; give the path"):
        find_tracker("cotracker")
    path = tmp_path / "scaled_offline.pth"
    path.touch()
    monkeypatch.setitem(sys.modules, "cotracker", None)
    with pytest.raises(ModelError, match="CoTracker could not be imported"):
        find_tracker("cotracker", weights=path)


# ---- choice of a tracker


def test_auto_takes_the_first_tracker_that_is_installed(monkeypatch, predictor, tmp_path):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ModelError, match="no tracker is installed; pip install opencv-python-headless"):
        find_tracker()
    path = tmp_path / "scaled_offline.pth"
    path.touch()
    assert find_tracker(weights=path).spacing == 0  # the weights are not those of RAFT, so CoTracker
    assert predictor.checkpoint == str(path)
    first = SimpleNamespace()
    monkeypatch.setitem(TRACKERS, "lucas_kanade", lambda spacing, weights: first)
    assert find_tracker() is first


def test_unknown_or_missing_trackers_are_refused(monkeypatch):
    with pytest.raises(OptionError, match="tracker is 'optical'; use one of auto, lucas_kanade, raft, cotracker"):
        find_tracker("optical")
    with pytest.raises(OptionError, match="spacing=-1"):
        find_tracker(spacing=-1)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ModelError, match="OpenCV could not be imported.*pip install opencv-python-headless"):
        find_tracker("lucas_kanade")


# ---- drawing


def test_drawing_changes_only_pixels_near_the_tracks():
    frames = 0.123 + torch.zeros(12, 40, 60, 3, dtype=torch.float64)
    tracks = torch.tensor([5.0, 10.0]) + torch.tensor([4.0, 0.0]) * torch.arange(12.0)[:, None]  # moves to the right
    drawn = draw_tracks(frames, tracks[None], trail=3)
    assert drawn.shape == frames.shape and drawn.dtype == frames.dtype
    changed = (drawn != frames).any(-1)
    for number, picture in enumerate(changed):
        y, x = picture.nonzero().T
        now = 5 + 4 * number
        assert picture[10, now] and y.min() >= 8 and y.max() <= 12
        assert x.max() <= now + 2 and x.min() >= max(3, now - 13)
    strength = (drawn[11, 10] - frames[11, 10]).norm(dim=-1)
    assert strength[49] > strength[43] > strength[39] > 0  # the trail fades


def test_the_colour_says_the_time():
    tracks = torch.tensor([[5.0, 5.0], [15.0, 5.0], [25.0, 5.0]])[:, None].expand(3, 5, 2)
    drawn = draw_tracks(torch.zeros(5, 10, 30, 3), tracks)
    for number, picture in enumerate(drawn):
        for place in (5, 15, 25):
            assert (picture[5, place] * 255).round().tolist() == list(colour_of(number, 5))
    assert (colour_of(0, 5), colour_of(2, 5), colour_of(4, 5)) == TIMES == tuple(colour_of(n, 3) for n in range(3))
    assert colour_of(0, 1) == TIMES[0]
    bar = draw_times(101, 3)
    assert [bar.getpixel((column, 2)) for column in (0, 50, 100)] == list(TIMES)


SEEN = {  # Machado, Oliveira and Fernandes 2009, severity 1: what is seen of linear red, green and blue
    "all": [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("cones", SEEN)
def test_the_colours_of_times_are_told_apart_by_everyone(cones):
    colours = torch.tensor([colour_of(number, 9) for number in range(9)]) / 255
    seen = (colours**2.2 @ torch.tensor(SEEN[cones]).T).clamp(0, 1)
    lightness = (seen @ torch.tensor([0.2126, 0.7152, 0.0722])) ** (1 / 2.2)
    assert (lightness.diff() > 0).all() and lightness[-1] - lightness[0] > 0.25
    first, middle, last = (seen ** (1 / 2.2))[[0, 4, 8]]
    assert min((first - middle).norm(), (middle - last).norm(), (first - last).norm()) > 0.25


def test_a_track_is_seen_on_a_ground_of_its_colour():
    frames = (torch.tensor(colour_of(1, 2)) / 255).expand(2, 20, 20, 3)
    drawn = draw_tracks(frames, torch.tensor([[[5.0, 5.0], [12.0, 12.0]]]))
    assert (drawn[1] == 0).all(-1).any()  # its outline


def test_tracks_that_begin_in_one_place_are_left_out():
    places = torch.tensor([[1.0, 1.0], [3.0, 2.0], [9.0, 1.0], [1.0, 9.0], [15.0, 15.0]])
    tracks = Tracks(places[:, None].expand(5, 3, 2), 16, 32)
    kept = thin_out(tracks, 2)
    assert kept.positions[:, 0].tolist() == [[1, 1], [9, 1], [1, 9], [15, 15]] and (kept.height, kept.width) == (16, 32)
    assert torch.equal(thin_out(tracks, 16).positions, tracks.positions)
    assert thin_out(Tracks(torch.zeros(0, 3, 2), 16, 32), 2).positions.shape == (0, 3, 2)


def test_drawing_enlarges_the_frames_first():
    frames = torch.rand(2, 6, 8, 3)
    drawn = draw_tracks(frames, torch.tensor([[[2.0, 1.0], [2.0, 1.0]]]), scale=5)
    assert drawn.shape == (2, 30, 40, 3)
    changed = (drawn != frames.repeat_interleave(5, 1).repeat_interleave(5, 2)).any(-1)
    y, x = changed[1].nonzero().T
    assert (x.float().mean(), y.float().mean()) == (12, 7)  # the middle of the enlarged pixel
    assert torch.equal(draw_tracks(frames, torch.zeros(0, 2, 2)), frames)


def test_drawing_refuses_tracks_of_another_length():
    for bad in (torch.zeros(3, 4, 2), torch.zeros(5, 2), torch.zeros(3, 5, 3)):
        with pytest.raises(OptionError, match=r"don't fit 5 frames; give \(tracks, 5, 2\)"):
            draw_tracks(torch.zeros(5, 8, 8, 3), bad)
