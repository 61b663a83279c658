"""The synthetic clips of an evaluation: paths, looks, what moves."""

import pytest
import torch

from motion_core.errors import OptionError
from motion_core.evaluation.material.synthetic import Synthetic, draw_appearance, redraw, render_reference
from motion_core.starter.appearance import Ground
from motion_core.starter.paths import HELD_OUT, TUNING
from motion_core.starter.recognition import measure_agreement, recognise
from motion_core.starter.subject_tracking import find_subject


def test_clips_that_choose_numbers_are_not_those_that_judge():
    assert not set(TUNING) & set(HELD_OUT)
    assert {path(24).shape for path in TUNING.values()} == {(24, 2)}
    assert all(path(24).abs().max() <= 1 for path in TUNING.values())


def test_a_motion_is_shown_in_several_looks():
    shown = Synthetic(("hops",), looks=3, caption="a V*").references("hops")
    assert [each.caption for each in shown] == ["a V*"] * 3
    assert not torch.equal(shown[0].clip.frames, shown[1].clip.frames)
    tracks = [find_subject(each.clip.frames).track for each in shown]
    assert all((track - tracks[0]).norm(dim=-1).max() < 2 for track in tracks)


def test_the_camera_moves_the_subject_along_the_same_path():
    still, moved = (render_reference("hops", moves=who) for who in ("subject", "camera"))
    assert torch.allclose(still.track, moved.track) and not torch.equal(still.clip.frames, moved.clip.frames)
    corners = [each.clip.frames[:, :8, :8].std(0).mean() for each in (still, moved)]
    assert corners[1] > 0.02 > corners[0]
    with pytest.raises(OptionError, match="moves"):
        Synthetic(("hops",), moves="both")


def test_pictures_show_one_subject_that_only_they_and_the_samples_name():
    material = Synthetic(("hops",), pictures=3)
    pictures, samples = material.subjects("hops"), material.samples("hops", 4)
    wanted, _ = draw_appearance(render_reference("hops"), 0)
    for picture in pictures:
        assert picture.clip.frames.shape == (1, 64, 64, 3) and picture.caption.startswith("a S* on a ")
        assert measure_agreement(recognise(picture.clip.frames), wanted, Ground("teal", "plain"))["shape"] == 1
    assert {each.prompt.split(" on ")[0] for each in samples} == {"a S*"}
    assert material.score("hops", samples[3], redraw(render_reference("hops"), 0))["colour"] == 1
    assert not Synthetic(("hops",)).subjects("hops")
    with pytest.raises(OptionError, match="pictures"):
        Synthetic(("hops",), pictures=-1)
