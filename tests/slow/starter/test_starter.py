"""The starter model does the real thing: it obeys a prompt, and a motion learnt from a clip moves it."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest

from motion_core.evaluation.material.synthetic import draw_appearance, redraw, render_reference, score_clip
from motion_core.evaluation.runner import evaluate
from motion_core.evaluation.suite import read_suite
from motion_core.models.zeroscope.loading import load_model
from motion_core.recipes.motion_inversion import STARTER
from motion_core.starter.demo import main as demo
from motion_core.starter.examples import EXAMPLES, draw_example, find_example
from motion_core.starter.folder import find_starter
from motion_core.video.reading import read_clip

REFERENCE = "figure_eight"


@pytest.fixture(scope="module")
def model():
    return load_model(find_starter(), "cpu")


@pytest.fixture(scope="module")
def reference():
    return render_reference(REFERENCE)


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """(fidelity, appearance) without and with the motion: one clip of the suite that the README quotes, four seeds."""
    suite = read_suite(Path("starter"))
    methods = (suite.methods[0], suite.methods[2])
    suite = replace(suite, methods=methods, seeds=4, material={**suite.material, "clips": [REFERENCE]})
    folder = tmp_path_factory.mktemp("evaluation")
    evaluate(suite, folder)
    results = [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    made = [[result["scores"] for result in results if result["method"] == method.name] for method in methods]
    return [tuple(mean(each[score] for each in scores) for score in ("fidelity", "appearance")) for scores in made]


def test_the_motion_comes_from_the_clip(scores):
    (plain, looks), (moved, _) = scores
    assert abs(plain) < 0.4 and moved >= 0.9


def test_the_appearance_stays_the_prompts(scores):
    (_, looks), (_, kept) = scores
    assert looks >= 0.95 and kept >= 0.95 * looks


def test_the_ceiling_is_high(model, reference):
    for number in range(4):
        seen = model.decode(model.encode(redraw(reference, number)))
        scores = score_clip(seen, reference, *draw_appearance(reference, number))
        assert scores["fidelity"] > 0.9 and scores["colour"] > 0.9 and scores["position_error"] < 3


def test_the_appearance_asked_for_is_never_the_references(reference):
    for seed in range(50):
        subject, ground = draw_appearance(reference, seed)
        assert subject.colour != reference.subject.colour and subject.shape != reference.subject.shape
        assert ground != reference.ground


def test_the_example_clips_are_what_the_code_draws():
    for name in EXAMPLES:
        shipped = read_clip(find_example(name)).frames
        assert (shipped - draw_example(name)).abs().mean() < 0.02


def test_the_demo_writes_what_it_promises(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("motion_core.starter.demo.RECIPE", STARTER.changed(steps=2))
    monkeypatch.setattr("sys.argv", ["demo", "--out", str(tmp_path / "demo")])
    assert demo() == 0
    made = {path.name for path in (tmp_path / "demo").iterdir()}
    assert made == {"figure_eight.safetensors", "transfer.gif", "transfer.mp4", "sheet.png"}
    message = capsys.readouterr().out
    assert "motion fidelity" in message and "with the motion" in message
    (tmp_path / "taken").write_text("", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["demo", "--out", str(tmp_path / "taken")])
    assert demo() == 1
