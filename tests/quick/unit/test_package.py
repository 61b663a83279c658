"""The registry's package: what is in it, and nothing that a scanner of it would flag."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pathspec
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
CONTENT = {
    "__init__.py", "CHANGELOG.md", "LICENSE", "README.md", "docs", "motion_core", "nodes", "pyproject.toml",
    "requirements.txt", "subgraphs", "web", "workflows",
}  # fmt: skip
POSSIBLE = {"locales"}
"""More of what the host reads in a pack."""
LARGEST = 40 * 10**6
"""Bytes."""
RULES = ("S102", "S307", "S301", "S302", "S403", "S404", "S602", "S603", "S604", "S605", "S606", "S607", "S614", "E702")
"""Ruff's for exec, eval, pickle, marshal, subprocess, os.system, unrestricted torch.load, two statements a line."""
PICKLES = "motion_core/files/pickle_file.py"
"""The one reader of other people's pickles, with torch's restricted unpickler."""
UNTRUSTED = re.compile(r"\btorch\.(?:load|hub)\b|\b(?:pickle|dill|joblib|marshal|shelve)\.loads?\b|\b__import__\b")
SCRIPT_UNTRUSTED = re.compile(r"\beval\s*\(|\bnew\s+Function\b|\bimport\s*\(\s*[\"']https?:|<script", re.IGNORECASE)


@pytest.fixture(scope="module")
def package() -> list[str]:
    """Paths of the files that `comfy node pack` would take: all that git knows, without those of .comfyignore."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git repository, which the registry's package is made from; git clone it")
    if not (ROOT / ".comfyignore").exists():
        pytest.skip("this is the package itself, which has no .comfyignore; git clone the repository")
    ignored = pathspec.PathSpec.from_lines(
        "gitignore", (ROOT / ".comfyignore").read_text(encoding="utf-8").splitlines()
    )
    files = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    return [name for name in files if not ignored.match_file(name)]


def test_all_that_the_host_needs_is_in_it_and_nothing_else(package):
    top = {name.partition("/")[0] for name in package}
    assert CONTENT <= top <= CONTENT | POSSIBLE, top ^ CONTENT
    assert not [name for name in package if Path(name).suffix in (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".zip")]


def test_whole_rooms_are_in_it(package):
    for room in ("locales", "motion_core", "nodes", "web", "workflows", "subgraphs"):
        known = subprocess.run(["git", "ls-files", "-z", room], cwd=ROOT, capture_output=True, check=True, text=True)
        assert {name for name in known.stdout.split("\0") if name} <= set(package)


def test_it_is_small(package):
    assert sum((ROOT / name).stat().st_size for name in package) < LARGEST


def test_a_scanner_finds_nothing(package):
    sources = [name for name in package if name.endswith(".py")]
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--preview",
        "--ignore-noqa",
        "--output-format=concise",
    ]
    found = subprocess.run([*command, "--select", ",".join(RULES), *sources], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_one_file_reads_pickles(package):
    sources = {name: (ROOT / name).read_text(encoding="utf-8") for name in package if name.endswith(".py")}
    assert [name for name, text in sources.items() if UNTRUSTED.search(text)] == [PICKLES]
    calls = re.findall(r"torch\.load\((.*)\)", sources[PICKLES])
    assert len(calls) == 1 and "weights_only=True" in calls[0]


def test_scripts_run_no_text(package):
    scripts = [name for name in package if name.endswith((".js", ".html"))]
    assert scripts
    assert not [name for name in scripts if SCRIPT_UNTRUSTED.search((ROOT / name).read_text(encoding="utf-8"))]


def test_the_registry_and_pip_read_the_same_requirements():
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 and later read TOML")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert project["dependencies"] == [line for line in lines if line and not line.startswith("#")]
    assert "dynamic" not in project  # the registry's client takes what is written, and runs no build


def test_the_changelog_begins_with_the_version():
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 and later read TOML")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    heads = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert heads[0] == version


@pytest.mark.parametrize(("name", "size"), [("icon", (400, 400)), ("banner", (1260, 540))])
def test_the_pictures_have_the_registrys_shapes(name, size):
    path = ROOT / "assets" / f"{name}.png"
    assert path.stat().st_size < 60_000
    with Image.open(path) as picture:
        assert picture.size == size
