"""What the commands print is safe for a terminal, in any encoding."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.quick.unit import test_adapter_file, test_embedding

ROOT = Path(__file__).resolve().parents[3]
PROMPT = "a caf\u00e9, \u96ea \U0001f40e"
HOSTILE = "\x1b]0;owned\x07 \x1b[2Jred\x9b31m \u202egnp.exe\u2066 \r\nfamily     mine \u2028end \x00"
ENCODINGS = ["ascii", "cp1252", "utf-8", "utf-16", "latin-1"]


def run(*arguments, encoding="utf-8"):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "motion_core", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, env=environment)


def save(motion, path, prompt, **recipe):
    origin = replace(motion.origin, prompt=prompt, recipe={**motion.origin.recipe, **recipe})
    replace(motion, origin=origin).save(path)
    return path


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_prompt_is_shown_in_any_encoding(tmp_path, encoding):
    path = save(test_embedding.make(), tmp_path / "caf\u00e9 \u96ea.safetensors", PROMPT)
    done = run("inspect", path, encoding=encoding)
    assert done.returncode == 0 and not done.stderr
    shown = done.stdout.decode(encoding)
    assert (PROMPT if encoding.startswith("utf") else "\\u96ea \\U0001f40e") in shown and "channels" in shown


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_error_is_shown_in_any_encoding(tmp_path, encoding):
    motion, out = tmp_path / "\u96ea\u202e.safetensors", tmp_path / "\u96ea.gif"
    motion.write_bytes(b"hello")
    done = run("generate", "--motion", motion, "--prompt", PROMPT, "--out", out, encoding=encoding)
    said = done.stderr.decode(encoding)
    assert done.returncode == 1 and "Traceback" not in said and "\u202e" not in said
    assert "error: " in said and "is damaged or no" in said


@pytest.mark.parametrize("kind", [test_embedding, test_adapter_file])
def test_a_files_words_do_not_steer_the_terminal(tmp_path, kind):
    path = save(kind.make(), tmp_path / "motion.safetensors", HOSTILE, **{"note\x1b[1m": HOSTILE, "list": [HOSTILE]})
    done = run("inspect", path)
    shown = done.stdout.decode()
    assert done.returncode == 0 and shown.replace("\n", "").isprintable()
    assert "\\x1b]0;owned\\x07" in shown and "\\u202egnp.exe" in shown
    assert not [line for line in shown.splitlines() if line.startswith("family     mine")]


def test_a_files_words_do_not_steer_the_terminal_in_an_error(tmp_path):
    from safetensors.torch import load_file, save_file

    from tests.quick.unit.test_digest import read_metadata

    path = tmp_path / "motion\x1b[31m.safetensors"
    test_embedding.make().save(path)
    save_file({**load_file(path), "\x1b[2J\u202e": next(iter(load_file(path).values()))}, path, read_metadata(path))
    said = run("inspect", path).stderr.decode()
    assert said.strip().isprintable() and "unknown tensor \\x1b[2J\\u202e" in said


def test_the_streams_are_as_before_afterwards(monkeypatch):
    import io

    from motion_core.commands.output import any_encoding

    stream = io.TextIOWrapper(io.BytesIO(), "ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    with any_encoding():
        print("\u96ea")
    assert stream.errors == "strict"
    with pytest.raises(UnicodeEncodeError):
        print("\u96ea")
