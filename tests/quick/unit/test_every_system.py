"""What ships is written so that it runs on Linux, Windows and macOS."""

from __future__ import annotations

import ast
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from motion_core.atomic_write import replacing
from motion_core.errors import FileError
from motion_core.evaluation.material.filmed import find_videos
from motion_core.motions.embedding import MotionEmbedding
from motion_core.printable import any_encoding
from tests.quick.unit import test_embedding
from tests.quick.unit.test_rooms import ROOT

SHIPPED = [ROOT / "__init__.py", *sorted((ROOT / "motion_core").rglob("*.py")), *sorted((ROOT / "nodes").rglob("*.py"))]
FOLDERS = ("assets", "benchmarks", "docs", "motion_core", "nodes", "subgraphs", "tests", "tools", "web", "workflows")
OWN = [*SHIPPED, *(path for room in ("tools", "benchmarks", "tests") for path in sorted((ROOT / room).rglob("*.py")))]
ON_ONE_SYSTEM = {"resource", "fcntl", "pwd", "grp", "termios", "syslog", "msvcrt", "winreg", "_winapi", "winsound"}
LACKING = {"fork", "symlink", "rename", "mkfifo", "getuid", "geteuid", "link", "chown", "kill", "setsid", "killpg"}
"""Functions of os that a system lacks, or does otherwise: `os.rename` replaces no file on Windows."""
NOT_FILES = {"av", "Image", "wave", "os", "zipfile", "webbrowser"}
"""Modules whose `open` opens no text."""


def list_calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))


def opens_text_without_encoding(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name not in ("open", "read_text", "write_text") or any(each.arg == "encoding" for each in call.keywords):
        return False
    if name != "open":
        return True
    of_a_path = isinstance(call.func, ast.Attribute)
    if of_a_path and isinstance(call.func.value, ast.Name) and call.func.value.id in NOT_FILES:
        return False
    modes = [*call.args[0 if of_a_path else 1 :], *(each.value for each in call.keywords if each.arg == "mode")]
    return not (modes and isinstance(modes[0], ast.Constant) and "b" in str(modes[0].value))


def test_text_files_are_opened_as_utf_8():
    """Python takes the system's encoding otherwise, which is cp1252 or another on Windows."""
    found = [f"{path}:{call.lineno}" for path in OWN for call in list_calls(path) if opens_text_without_encoding(call)]
    assert not found


@pytest.mark.parametrize(
    "line, text",
    [
        ("open(p)", True), ("open(p, 'w')", True), ("p.open()", True), ("p.read_text()", True),
        ("p.write_text(s)", True),
        ("open(p, 'rb')", False), ("p.open('ab')", False), ("p.open(mode='wb')", False), ("av.open(p, 'w')", False),
        ("p.read_text(encoding='utf-8')", False), ("open(p, encoding='ascii')", False),
    ],
)  # fmt: skip
def test_a_text_file_without_an_encoding_is_seen(line, text):
    (call,) = (node for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Call))
    assert opens_text_without_encoding(call) == text


def test_what_ships_calls_nothing_that_a_system_lacks():
    for path in SHIPPED:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                assert not ON_ONE_SYSTEM & {each.name for each in node.names}, where
            if isinstance(node, ast.ImportFrom):
                assert node.module not in ON_ONE_SYSTEM, where
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                assert node.attr not in LACKING, where
            assert not (isinstance(node, ast.Attribute) and node.attr in ("symlink_to", "hardlink_to")), where


def test_names_of_files_differ_in_more_than_case_and_fit_every_system():
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts]
    own = [path.relative_to(ROOT).as_posix() for path in paths]
    assert len({name.lower() for name in own}) == len(own)
    assert not [name for name in own if set(name) & set('<>:"|?*\\') or name.endswith((" ", "."))]
    assert max(map(len, own)) < 150  # Windows takes 260 with the folders before it


def test_text_files_keep_their_bytes_where_git_would_change_line_ends():
    rules = (ROOT / ".gitattributes").read_text(encoding="utf-8").splitlines()
    assert "* text=auto eol=lf" in rules
    for path in (ROOT / "tests" / "material" / "released").iterdir():
        if path.suffix != ".json":
            assert f"*{path.suffix} binary" in rules, path
    assert b"\r" not in (ROOT / "tests" / "quick" / "golden" / "golden.json").read_bytes()


def test_a_loaded_motion_does_not_lie_in_its_file(tmp_path):
    """Windows would refuse to save over it; elsewhere the motion would change with the file."""
    path, motion = tmp_path / "motion.safetensors", test_embedding.make()
    motion.save(path, torch.float32)
    loaded = MotionEmbedding.load(path)
    kept = [tensor.clone() for tensor in loaded.parameters]
    with path.open("r+b") as file:
        file.seek(-64, os.SEEK_END)
        file.write(bytes(range(64)))
    assert all(map(torch.equal, loaded.parameters, kept))
    motion.save(path, torch.float32)
    assert all(map(torch.equal, MotionEmbedding.load(path).parameters, kept))


def test_an_open_scratch_file_does_not_hide_why_writing_failed(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "The process cannot access the file because it is being used by another process")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(FileError, match="can't be written .No space left"), replacing(tmp_path / "clip.gif"):
        raise OSError(28, "No space left on device")


def test_a_file_that_another_program_has_open_is_one_sentence(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(FileError, match="Access is denied.*no other program has the file open"):
        test_embedding.make().save(tmp_path / "motion.safetensors")
    assert not list(tmp_path.iterdir())


def test_clips_are_taken_in_the_order_of_their_names_on_every_system(tmp_path):
    for name in ("b.mp4", "A.MP4", "a.gif", "C.mov"):
        (tmp_path / name).write_bytes(b"a clip")
    assert [path.name for path in find_videos(tmp_path)] == ["A.MP4", "C.mov", "a.gif", "b.mp4"]


def test_printing_does_not_fail_where_the_console_knows_few_letters(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "cp1252")
    monkeypatch.setattr(sys, "stdout", stream)
    with any_encoding():
        print("\u96ea caf\u00e9")
    stream.flush()
    assert stream.buffer.getvalue().split() == [b"\\u96ea", "caf\u00e9".encode("cp1252")]
