"""The command line on a folder of ZeroScope's exact shape at reduced width and random weights."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from motion_core.commands.main import main
from motion_core.guidance.methods import STARTER_METHODS
from motion_core.motions.embedding import MotionEmbedding
from motion_core.video.reading import read_clip
from motion_core.video.writing import write_clip

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    frames = torch.zeros(8, 64, 96, 3)
    for number in range(8):
        frames[number, 20:40, 8 * number : 8 * number + 20] = 1
    write_clip(path, frames, 8)
    return path


SMALL = ["--frames", "6", "--width", "96", "--height", "64"]
COMMANDS = ("learn", "generate", "transfer", "guide", "invert", "evaluate", "inspect", "convert")


@pytest.fixture(scope="module")
def motion(tmp_path_factory, model_folder, clip):
    path = tmp_path_factory.mktemp("motions") / "motion.safetensors"
    arguments = ["learn", "--reference", clip, "--prompt", "a white square", "--out", path, "--steps", "2"]
    assert run(*arguments, *SMALL, "--sites", "all", "--model", model_folder) == 0
    return path


def run(*arguments) -> int:
    return main([str(a) for a in arguments])


def refused(capsys, *arguments) -> str:
    assert run(*arguments) == 1
    printed = capsys.readouterr().err.strip().splitlines()[-1]
    assert printed.startswith("error: ") and "Traceback" not in printed
    return printed


def test_learn_writes_a_file_that_describes_itself(motion, capsys):
    embedding = MotionEmbedding.load(motion)
    assert embedding.frames == 6 and len(embedding.grids) == 15 and embedding.family == "zeroscope"
    assert embedding.origin.recipe["steps"] == 2 and embedding.origin.prompt == "a white square"
    assert (embedding.origin.width, embedding.origin.height, embedding.origin.fps) == (96, 64, 8.0)
    assert embedding.grids["down_blocks.0.temp_attentions.0.transformer_blocks.0"] == (8, 12)
    assert embedding.grids["down_blocks.2.temp_attentions.0.transformer_blocks.0"] == (2, 3)
    assert run("inspect", motion) == 0
    page = capsys.readouterr().out
    assert "6 frames, 96x64, 8 fps" in page and "down_blocks.2" in page and "learning_rate: 0.02" in page


def test_generate_is_reproducible_and_differs_by_motion(motion, model_folder, tmp_path, clip):
    for name, extra in {
        "a": [],
        "b": [],
        "off": ["--strength-qk", "0", "--strength-v", "0"],
        "blend": ["--noise", "blend", "--reference", clip],
        "long": ["--frames", "9", "--width", "64"],
    }.items():
        out = ["--out", tmp_path / f"{name}.mp4", "--steps", "2", "--model", model_folder]
        assert run("generate", "--motion", motion, "--prompt", "a red circle", *out, *extra) == 0
    one = (tmp_path / "a.mp4").read_bytes()
    assert one == (tmp_path / "b.mp4").read_bytes() and one != (tmp_path / "off.mp4").read_bytes()
    assert one != (tmp_path / "blend.mp4").read_bytes()
    assert read_clip(tmp_path / "long.mp4").frames.shape == (9, 64, 64, 3)
    assert read_clip(tmp_path / "a.mp4").frames.shape == (6, 64, 96, 3)


def test_transfer_is_learn_and_generate(model_folder, clip, tmp_path, motion):
    learn = ["--reference", clip, "--reference-prompt", "a white square", "--steps", "2", "--sites", "all", *SMALL]
    out = ["--prompt", "a red circle", "--sampling-steps", "2", "--model", model_folder, "--out", tmp_path / "a.gif"]
    assert run("transfer", *learn, *out, "--save-motion", tmp_path / "m.safetensors") == 0
    assert (tmp_path / "m.safetensors").read_bytes() == motion.read_bytes()
    assert len(read_clip(tmp_path / "a.gif").frames) == 6


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--strength", "2"], "--strength does nothing"),
        (["--recipe", "vmc", "--debias", "mean"], "--debias does nothing"),
        (["--strength-v", "99"], "strength_v is 99"),
        (["--motion-start", "2"], "start is 2"),
        (["--preset", "starter", "--motion-start", "0.5"], "start is 0.5 and end 0.35"),
        (["--sampling-steps", "0"], "steps is 0"),
    ],
)
def test_transfer_refuses_bad_sampling_values_before_it_trains(
    options, says, monkeypatch, capsys, model_folder, clip, tmp_path
):
    trained = []
    monkeypatch.setattr("motion_core.commands.transfer.learn", lambda *_: trained.append(True))
    usual = ["--reference", clip, "--reference-prompt", "x", "--prompt", "x", "--model", model_folder, *SMALL]
    assert says in refused(capsys, "transfer", *usual, *options, "--out", tmp_path / "x.gif")
    assert not trained and not list(tmp_path.iterdir())


@pytest.mark.parametrize("method", ["dmt", "motion_clone"])
def test_guide_is_reproducible_and_follows_its_reference(model_folder, clip, tmp_path, method):
    guide = ["guide", "--method", method, "--reference", clip, "--reference-prompt", "a white square", *SMALL]
    less = ["--optimisation-steps", "1", "--learning-rate", "0.05"] if method == "dmt" else ["--weight", "1e6"]
    usual = [*less, "--prompt", "a red circle", "--steps", "3", "--model", model_folder]
    for name, extra in {"a": [], "b": [], "backwards": ["--reversed"], "off": ["--guide-end", "0"]}.items():
        assert run(*guide, *usual, "--noise", "random", *extra, "--out", tmp_path / f"{name}.mp4") == 0
    assert run(*guide, *usual, "--noise", "blend", "--out", tmp_path / "blend.mp4") == 0
    one = (tmp_path / "a.mp4").read_bytes()
    assert one == (tmp_path / "b.mp4").read_bytes()
    assert one not in [(tmp_path / f"{name}.mp4").read_bytes() for name in ("backwards", "off", "blend")]
    assert read_clip(tmp_path / "a.mp4").frames.shape == (6, 64, 96, 3)


@pytest.fixture
def guided(monkeypatch):
    """What `guide` hands on: the settings and steps of the guidance, and the sampling. Nothing is computed."""
    seen = {}

    def remember_guidance(_model, _clip, _prompt, settings, *, steps, **_):
        seen.update(settings=settings, steps=steps)

    def remember_sampling(_args, _model, config, **_):
        seen.update(sampling=config)

    monkeypatch.setattr("motion_core.commands.guide.guide_by_clip", remember_guidance)
    monkeypatch.setattr("motion_core.commands.generate.sample", remember_sampling)
    return seen


def guide_by_dmt(clip, tmp_path, command="guide"):
    return [command, "--method", "dmt", "--reference", clip, "--prompt", "x", "--out", tmp_path / "x.gif",
            "--frames", "6"]  # fmt: skip


def test_guide_takes_the_methods_settings(guided, clip, tmp_path):
    options = ["--seed", "5", "--distance", "cosine", "--block", "up_blocks.1", "--guidance", "4"]
    assert run(*guide_by_dmt(clip, tmp_path), *options) == 0
    starter = STARTER_METHODS["dmt"]
    assert guided["settings"] == replace(starter.config, seed=5, distance="cosine", block="up_blocks.1")
    assert guided["steps"] == guided["sampling"].steps == starter.sampling["steps"]
    assert guided["sampling"].guidance == 4 and guided["sampling"].noise == starter.sampling["noise"]


def test_guide_refuses_options_that_its_method_does_not_use(capsys, clip, tmp_path):
    guide = guide_by_dmt(clip, tmp_path)
    assert "weight is 5.0, and dmt has no such setting" in refused(capsys, *guide, "--weight", "5")
    assert "start is 0.9 and end" in refused(capsys, *guide, "--guide-start", "0.9")


def test_guide_is_understood_under_its_old_names(guided, clip, tmp_path):
    assert run(*guide_by_dmt(clip, tmp_path), "--guide-start", "0.2", "--guide-end", "0.4") == 0
    new = dict(guided)
    guided.clear()
    assert run(*guide_by_dmt(clip, tmp_path, "steer"), "--steer-start", "0.2", "--steer-end", "0.4") == 0
    assert guided == new and (new["settings"].start, new["settings"].end) == (0.2, 0.4)


def test_inverted_noise_is_kept_in_a_file(model_folder, clip, motion, tmp_path, capsys):
    noise = tmp_path / "noise.safetensors"
    assert run("invert", "--reference", clip, "--out", noise, "--steps", "2", *SMALL, "--model", model_folder) == 0
    generate = ["generate", "--motion", motion, "--prompt", "x", "--noise", "blend", "--model", model_folder]
    starts = {"file": ["--inverted", noise], "clip": ["--reference", clip], "none": ["--noise", "random"]}
    shown = {}
    for name, start in starts.items():
        assert run(*generate, "--steps", "2", "--out", tmp_path / f"{name}.mp4", *start) == 0
        shown[name] = read_clip(tmp_path / f"{name}.mp4").frames
    kept, lost = ((shown["file"] - shown[name]).abs().mean() for name in ("clip", "none"))
    assert kept < 0.005 and lost > 10 * kept  # not bit by bit: the last digit of a sum depends on the machine's load
    printed = refused(capsys, *generate, "--steps", "3", "--inverted", noise, "--out", tmp_path / "x.mp4")
    assert "was inverted in 2 steps" in printed
    assert "give --reference" in refused(capsys, *generate, "--out", tmp_path / "x.mp4")
    assert not (tmp_path / "x.mp4").exists()


def test_convert_there_and_back(motion, tmp_path, capsys):
    official, ours = tmp_path / "motion_embed.pt", tmp_path / "ours.safetensors"
    assert run("convert", motion, official) == 0
    assert run("convert", official, ours, "--width", 96, "--height", 64, "--frames", 6) == 0
    before, after = MotionEmbedding.load(motion), MotionEmbedding.load(ours)
    assert all(torch.equal(after.v[name], before.v[name]) for name in before.v) and after.grids == before.grids
    assert "width and height" in refused(capsys, "convert", official, tmp_path / "x.safetensors")
    assert "no conversion" in refused(capsys, "convert", motion, tmp_path / "x.txt")


def test_bad_input_is_one_sentence_and_writes_nothing(model_folder, clip, motion, tmp_path, capsys):
    learn = ["learn", "--prompt", "x", "--model", model_folder, *SMALL]
    out = ["--out", tmp_path / "m.safetensors"]
    (tmp_path / "text.mp4").write_text("hello", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    expected = {
        "does not exist": ["--reference", tmp_path / "none.mp4", *out],
        "text.mp4": ["--reference", tmp_path / "text.mp4", *out],
        "folder": ["--reference", tmp_path / "folder", *out],
        "frames": ["--reference", clip, *out, "--frames", "9"],
        "steps is 0": ["--reference", clip, *out, "--steps", "0"],
        "learning_rate is -1": ["--reference", clip, *out, "--learning-rate", "-1"],
        "objective": ["--reference", clip, *out, "--objective", "nothing"],
        "memory is": ["--reference", clip, *out, "--memory", "none"],
        "matches none": ["--reference", clip, *out, "--sites", "nowhere"],
        "multiple": ["--reference", clip, *out, "--width", "65"],
        "ending": ["--reference", clip, "--out", tmp_path / "m.pt"],
        "folder that exists|not there": ["--reference", clip, "--out", tmp_path / "no" / "m.safetensors"],
    }
    for words, arguments in expected.items():
        printed = refused(capsys, *learn, *arguments)
        assert any(word in printed for word in words.split("|")), (words, printed)
    generate = ["generate", "--motion", motion, "--prompt", "x", "--model", model_folder, "--out", tmp_path / "x.mp4"]
    assert "guidance is -1" in refused(capsys, *generate, "--guidance", "-1")
    assert "strength_v is 99" in refused(capsys, *generate, "--strength-v", "99")
    assert "beta is 2" in refused(capsys, *generate, "--beta", "2")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "text.mp4"]


def test_a_motion_of_other_channels_is_refused(motion, tmp_path, capsys):
    embedding = MotionEmbedding.load(motion)
    replace(embedding, family="animatediff").save(tmp_path / "m.safetensors")
    generate = ["generate", "--prompt", "x", "--out", tmp_path / "x.gif"]
    printed = refused(capsys, *generate, "--motion", tmp_path / "m.safetensors")
    assert "animatediff" in printed and "zeroscope" in printed
    printed = refused(capsys, *generate, "--motion", motion)
    assert "no attention block" in printed and "learn the motion again" in printed  # the starter model has fewer levels


def test_an_interruption_writes_nothing(monkeypatch, model_folder, clip, tmp_path, capsys):
    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("motion_core.commands.learn.train_motion", interrupted)
    out = tmp_path / "m.safetensors"
    assert run("learn", "--reference", clip, "--prompt", "x", "--out", out, *SMALL, "--model", model_folder) == 130
    assert "nothing was written" in capsys.readouterr().err and not out.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        run(command, "--help")
    page = capsys.readouterr().out
    assert ended.value.code == 0 and f"usage: python -m motion_core {command}" in page
    assert re.search(rf"^examples?:\n  python -m motion_core {command} ", page, re.M)


def test_the_package_runs_as_a_program_and_lists_its_commands():
    page = subprocess.run(
        [sys.executable, "-m", "motion_core", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "usage: python -m motion_core" in page and all(f"\n    {command} " in page for command in COMMANDS)


def test_output_that_is_not_read_to_its_end_is_no_error(motion):
    command = f"{sys.executable} -m motion_core inspect {motion} | head -1"
    printed = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert printed.stdout.count("\n") == 1 and "Error" not in printed.stderr
