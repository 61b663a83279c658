"""The starter model does the real thing: it obeys a prompt, and a motion learnt from a clip moves it."""

import pytest
import torch

from motion_core.backbones.zeroscope.loading import load_model
from motion_core.starter import benchmark
from motion_core.starter.demo import main as demo
from motion_core.starter.examples import EXAMPLES, draw_example, find_example
from motion_core.starter.folder import find_starter
from motion_core.video import read_clip

REFERENCE = "figure_eight"


@pytest.fixture(scope="module")
def model():
    return load_model(find_starter(), "cpu")


@pytest.fixture(scope="module")
def reference():
    return benchmark.render_reference(REFERENCE)


def score(model, reference, row, motion=None):
    inverted = torch.zeros(1, 4, 16, 8, 8)
    scores = benchmark.generate_row(model, row, reference, motion, inverted, range(4))
    return (sum(s.fidelity for s in scores) / 4, sum(s.appearance for s in scores) / 4)


@pytest.fixture(scope="module")
def scores(model, reference, tmp_path_factory):
    """(fidelity, appearance) without and with the motion."""
    shelf = benchmark.open_shelf(model, tmp_path_factory.mktemp("motions"))
    motion = benchmark.learn_reference(model, reference, benchmark.DEFAULTS, shelf)
    plain = score(model, reference, benchmark.Row("base", None))
    return plain, score(model, reference, benchmark.Row("moved", benchmark.APPLY), motion)


def test_the_motion_comes_from_the_clip(scores):
    (plain, looks), (moved, _) = scores
    assert abs(plain) < 0.4 and moved >= 0.9


def test_the_looks_stay_the_prompts(scores):
    (_, looks), (_, kept) = scores
    assert looks >= 0.95 and kept >= 0.95 * looks


def test_the_ceiling_is_high(model, reference):
    scores = benchmark.measure_ceiling(model, reference, range(4))
    assert min(s.fidelity for s in scores) > 0.9 and min(s.colour for s in scores) > 0.9


def test_looks_asked_for_are_never_the_references(reference):
    for seed in range(50):
        subject, ground = benchmark.draw_looks(reference, seed)
        assert subject.colour != reference.subject.colour and subject.shape != reference.subject.shape
        assert ground != reference.ground


def test_the_example_clips_are_what_the_code_draws():
    for name in EXAMPLES:
        shipped = read_clip(find_example(name)).frames
        assert (shipped - draw_example(name)).abs().mean() < 0.02


def test_the_demo_writes_what_it_promises(tmp_path, monkeypatch, capsys):
    from dataclasses import replace

    monkeypatch.setattr("motion_core.starter.demo.DEFAULTS", replace(benchmark.DEFAULTS, steps=2))
    monkeypatch.setattr("sys.argv", ["demo", "--out", str(tmp_path / "demo")])
    assert demo() == 0
    made = {path.name for path in (tmp_path / "demo").iterdir()}
    assert made == {"figure_eight.safetensors", "transfer.gif", "transfer.mp4", "sheet.png"}
    said = capsys.readouterr().out
    assert "motion fidelity" in said and "with the motion" in said
    (tmp_path / "taken").write_text("")
    monkeypatch.setattr("sys.argv", ["demo", "--out", str(tmp_path / "taken")])
    assert demo() == 1
