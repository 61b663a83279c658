"""What Load Reference Video shows before a run, over HTTP: the picked frames, or the sentence that a run would give."""

import shutil
import urllib.parse
import urllib.request

import pytest

from motion_core.starter.folder import CLIP_FOLDER
from motion_core.video.reading import read_clip
from tests.host.graphs import Graph, load_clip, out, probe
from tests.host.live_host import Failed
from tests.host.test_example_clips import NO_CLIPS

CLIP = "figure_eight.mp4"
USUAL = {
    "video": f"example: {CLIP}", "frames": 16, "start": 0, "every": 1, "width": 64, "height": 64, "fit": "crop",
    "reversed": "false",
}  # fmt: skip


def ask(host, **changes):
    query = urllib.parse.urlencode({**USUAL, **changes}, errors="replace")
    return host.ask(f"/api/motion_inversion/picked_frames?{query}")


def test_the_picked_frames_are_a_video_in_the_temp_folder(host, tmp_path):
    shown = ask(host, frames=4, every=2)
    assert shown["text"] == ["4 of 16 frames, 1.0 s at 4 fps, 64x64"] and shown["animated"] == [True]
    (picture,) = shown["images"]
    with urllib.request.urlopen(f"{host.address}/view?{urllib.parse.urlencode(picture)}") as answer:
        (tmp_path / "picked.mp4").write_bytes(answer.read())
    picked = read_clip(tmp_path / "picked.mp4")
    assert picked.frames.shape == (4, 64, 64, 3) and picked.fps == 4
    whole = read_clip(CLIP_FOLDER / CLIP)
    assert (picked.frames - whole.frames[:8:2]).abs().mean() < 0.02
    backwards = ask(host, frames=4, every=2, reversed="true")["images"][0]
    assert backwards["filename"] != picture["filename"]


@pytest.mark.parametrize("changes", [{"frames": 17}, {"start": 3}, {"every": 8, "frames": 3}, {"start": 900}], ids=str)
def test_options_that_do_not_fit_get_the_sentence_of_a_run(host, changes):
    graph = Graph()
    probe(graph, out(load_clip(graph, **changes)))
    with pytest.raises(Failed) as failed:
        host.run(graph)
    (sentence,) = ask(host, **changes)["text"]
    assert sentence == USUAL["video"] + failed.value.message.partition(CLIP)[2]  # a node has no room for a whole path


def test_a_clip_of_the_input_folder_is_shown(host):
    shutil.copy(CLIP_FOLDER / CLIP, host.work / "input" / "own clip.mp4")
    assert ask(host, video="own clip.mp4")["text"] == ["16 of 16 frames, 2.0 s at 8 fps, 64x64"]
    (host.work / "input" / "own clip.mp4").write_bytes(b"no video")
    (sentence,) = ask(host, video="own clip.mp4")["text"]
    assert sentence.startswith("own clip.mp4 is damaged or no video")


@pytest.mark.parametrize("name", [*NO_CLIPS, *(f"example: {name}" for name in NO_CLIPS)])
def test_nothing_outside_the_folders_is_read(host, name):
    shown = ask(host, video=name)
    assert "images" not in shown and len(shown["text"]) == 1


@pytest.mark.parametrize("name", ["frames", "start", "every", "width", "height", "fit", "reversed"])
@pytest.mark.parametrize("value", ["", "-1", "1e9", "nan", "9" * 30, "x"])
def test_values_that_no_widget_has_get_a_sentence(host, name, value):
    shown = ask(host, **{name: value})
    assert len(shown["text"]) == 1 and "\n" not in shown["text"][0]
    assert ("images" in shown) == (name == "reversed")
