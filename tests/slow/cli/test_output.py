"""What the commands print is safe for a terminal, in any encoding."""

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save_file

from motion_core.commands.main import main
from motion_core.printable import any_encoding
from tests.material.tensor_files import read_copies
from tests.quick.unit import test_adapter_file, test_embedding
from tests.quick.unit.test_digest import read_metadata

ROOT = Path(__file__).resolve().parents[3]
PROMPT = "a caf\u00e9, \u96ea \U0001f40e"
HOSTILE = "\x1b]0;owned\x07 \x1b[2Jred\x9b31m \u202egnp.exe\u2066 \r\nfamily     mine \u2028end \x00"
ENCODINGS = ["ascii", "cp1252", "utf-8", "utf-16", "latin-1"]


@pytest.fixture
def run(monkeypatch):
    """Runs a command on streams of an encoding: its exit code and the bytes of both streams."""

    def run_in(*arguments, encoding="utf-8"):
        streams = {name: io.TextIOWrapper(io.BytesIO(), encoding) for name in ("stdout", "stderr")}
        with monkeypatch.context() as patch:
            for name, stream in streams.items():
                patch.setattr(sys, name, stream)
            code = main([str(argument) for argument in arguments])
            for stream in streams.values():
                stream.flush()
        return code, streams["stdout"].buffer.getvalue(), streams["stderr"].buffer.getvalue()

    return run_in


def run_as_program(*arguments, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "motion_core", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, env=environment)
    return done.returncode, done.stdout, done.stderr


def save(motion, path, prompt, **recipe):
    origin = replace(motion.origin, prompt=prompt, recipe={**motion.origin.recipe, **recipe})
    replace(motion, origin=origin).save(path)
    return path


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_prompt_is_shown_in_any_encoding(run, tmp_path, encoding):
    path = save(test_embedding.make(), tmp_path / "caf\u00e9 \u96ea.safetensors", PROMPT)
    code, out, err = run("inspect", path, encoding=encoding)
    assert code == 0 and not err
    shown = out.decode(encoding)
    assert (PROMPT if encoding.startswith("utf") else "\\u96ea \\U0001f40e") in shown and "channels" in shown


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_error_is_shown_in_any_encoding(run, tmp_path, encoding):
    assert_error_is_shown(run, tmp_path, encoding)


def test_an_error_is_shown_where_the_terminal_knows_ascii_only(tmp_path):
    assert_error_is_shown(run_as_program, tmp_path, "ascii")


def assert_error_is_shown(run, tmp_path, encoding):
    motion, out = tmp_path / "\u96ea\u202e.safetensors", tmp_path / "\u96ea.gif"
    motion.write_bytes(b"hello")
    code, _, err = run("generate", "--motion", motion, "--prompt", PROMPT, "--out", out, encoding=encoding)
    printed = err.decode(encoding)
    assert code == 1 and "Traceback" not in printed and "\u202e" not in printed
    assert "error: " in printed and "is damaged or no" in printed


@pytest.mark.parametrize("kind", [test_embedding, test_adapter_file])
def test_control_characters_of_a_file_are_not_printed(run, tmp_path, kind):
    path = save(kind.make(), tmp_path / "motion.safetensors", HOSTILE, **{"note\x1b[1m": HOSTILE, "list": [HOSTILE]})
    code, out, _ = run("inspect", path)
    shown = out.decode()
    assert code == 0 and shown.replace("\n", "").isprintable()
    assert "\\x1b]0;owned\\x07" in shown and "\\u202egnp.exe" in shown
    assert not [line for line in shown.splitlines() if line.startswith("family     mine")]


def test_control_characters_of_a_file_are_not_printed_in_an_error(run, tmp_path):
    path = tmp_path / "motion\x1b[31m.safetensors"
    test_embedding.make().save(path)
    save_file({**read_copies(path), "\x1b[2J\u202e": next(iter(read_copies(path).values()))}, path, read_metadata(path))
    printed = run("inspect", path)[2].decode()
    assert printed.strip().isprintable() and "unknown tensor \\x1b[2J\\u202e" in printed


def test_the_streams_are_as_before_afterwards(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    with any_encoding():
        print("\u96ea")
    assert stream.errors == "strict"
    with pytest.raises(UnicodeEncodeError):
        print("\u96ea")
