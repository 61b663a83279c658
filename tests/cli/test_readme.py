"""What the README tells a person to type."""

import re
import shlex
from pathlib import Path

import pytest

from motion_core.commands import build_parser, main
from motion_core.recipes.presets import PRESETS
from motion_core.starter.folder import MODEL_FOLDER

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", README, re.S | re.M)
LINES = "\n".join(BLOCKS).replace("\\\n", " ").splitlines()
COMMANDS = [shlex.split(line)[3:] for line in LINES if line.startswith("python -m motion_core ")]

SHORT = {
    "learn": ["--steps", "2"],
    "generate": ["--steps", "2"],
    "evaluate": ["--clips", "hops", "--seeds", "1", "--methods", "base model, random noise"],
}
"""What makes a command of many minutes one of seconds."""


def test_there_is_something_to_type():
    assert {command[0] for command in COMMANDS} >= {"learn", "inspect", "generate"}
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    assert {line.split()[1] for line in LINES if line.startswith("make ")} <= targets


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_is_understood(command):
    build_parser().parse_args(command)


def test_the_five_minutes_work(tmp_path, monkeypatch, capsys):
    clips = tmp_path / "motion_core" / "starter"
    clips.mkdir(parents=True)
    (clips / "clips").symlink_to(ROOT / "motion_core" / "starter" / "clips")
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS:
        if "--model" not in command:
            assert main([*command, *SHORT.get(command[0], [])]) == 0, capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} >= {"spiral.safetensors", "circle.gif"}


def test_every_preset_is_explained():
    assert all(f"| `{name}` |" in README for name in PRESETS)


def test_paths_and_pictures_exist():
    for path in re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r"motion_core/starter/[\w/.]+\.\w+", README):
        assert (ROOT / path).exists(), path


def test_the_starter_model_is_small_enough_to_ship():
    weights = list(MODEL_FOLDER.glob("*/*.safetensors"))
    assert len(weights) == 3 and sum(path.stat().st_size for path in weights) <= 16 * 2**20
