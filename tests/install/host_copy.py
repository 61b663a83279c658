"""A copy of the host with an environment of its own, in which packages can be installed and removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.host.live_host import LiveHost, find_python

OWN_FOLDERS = ("models", "input", "output", "temp", "user", "custom_nodes")
"""A person's own in a host; the copy begins with empty ones."""
VIRTUAL = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "COMFYUI_PATH", "COMFYUI_PYTHON")
"""What would lead a tool to another environment than the copy's."""


class Impossible(Exception):
    """The rehearsal lacks a part. The message says which, and how to get it."""


def find_environment(host: Path) -> Path:
    """The folder of the host's virtual environment. Raises Impossible."""
    environment = Path(find_python(host)).parent.parent
    if not (environment / "pyvenv.cfg").is_file():
        raise Impossible(
            f"the host in {host} has no virtual environment that can be copied; make one in {host / 'venv'}"
        )
    return environment


def fingerprint(environment: Path) -> dict[str, tuple[int, int]]:
    """(size, time of the last change of content) of each file, but for bytecode, which Python writes as it likes."""
    found = {}
    for folder, inner, files in os.walk(environment):
        inner[:] = [name for name in inner if name != "__pycache__"]
        for name in files:
            status = os.lstat(os.path.join(folder, name))
            found[os.path.relpath(os.path.join(folder, name), environment)] = (status.st_size, status.st_mtime_ns)
    return found


def link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)
    return target


class HostCopy:
    """root: the copy's folder; environment: its virtual environment, of hard links to the original's files.

    pip never writes into a file that is there: it deletes it and writes a new one, so the original stays whole.
    The scripts in its `bin` name the original's Python, so packages are run by `python -m` alone.
    """

    def __init__(self, host: Path, folder: Path):
        self.root = folder / "ComfyUI"
        self.environment = self.root / ".venv"
        original = find_environment(host)
        left_out = {*OWN_FOLDERS, ".git", original.name}
        shutil.copytree(
            host, self.root, symlinks=True, ignore=lambda place, _: left_out if Path(place) == host else {"__pycache__"}
        )
        shutil.copytree(original, self.environment, symlinks=True, copy_function=link_or_copy)
        for name in OWN_FOLDERS:
            (self.root / name).mkdir()
        self.python = str(self.environment / Path(find_python(host)).relative_to(original))

    def run(self, *command: str, cwd: Path | None = None, **variables: str) -> str:
        """What a command prints. Raises AssertionError with that if it fails."""
        kept = {name: value for name, value in os.environ.items() if name not in VIRTUAL}
        done = subprocess.run(
            command, cwd=cwd or self.root, env={**kept, **variables}, text=True, encoding="utf-8", errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout[-3000:]}"
        return done.stdout

    def pip(self, *arguments: str) -> str:
        return self.run(self.python, "-m", "pip", "--disable-pip-version-check", *arguments)

    def freeze(self) -> dict[str, str]:
        """The installed packages: name -> version."""
        listed = json.loads(self.run(self.python, "-m", "pip", "--disable-pip-version-check", "list", "--format=json"))
        return {canonicalize_name(package["name"]): package["version"] for package in listed}

    def needs(self, names: Iterable[str]) -> set[str]:
        """The installed packages that some packages need, they themselves among them."""
        report = json.loads(self.run(self.python, "-m", "pip", "--disable-pip-version-check", "inspect", "--local"))
        environment = {**report["environment"], "extra": ""}
        wanted = {
            canonicalize_name(package["metadata"]["name"]): package["metadata"].get("requires_dist", [])
            for package in report["installed"]
        }
        found: set[str] = set()
        waiting = [canonicalize_name(name) for name in names]
        while waiting:
            name = waiting.pop()
            if name in wanted and name not in found:
                found.add(name)
                required = map(Requirement, wanted[name])
                waiting += [
                    canonicalize_name(one.name)
                    for one in required
                    if not one.marker or one.marker.evaluate(environment)
                ]
        return found

    def remove(self, package: str) -> set[str]:
        """Uninstalls a package and what it alone needs. Returns their names."""
        lines = (self.root / "requirements.txt").read_text(encoding="utf-8").splitlines()
        host = [Requirement(line).name for line in lines if line.strip() and not line.startswith("#")]
        inside, kept = self.needs([package]), self.needs(host)
        kept |= self.needs(set(self.freeze()) - inside - kept)
        alone = inside - kept
        if alone:
            self.pip("uninstall", "--yes", "--quiet", *sorted(alone))
        return alone

    def tree(self) -> set[str]:
        """All files and folders of the copy, but for its environment and bytecode."""
        found = set()
        for folder, inner, files in os.walk(self.root):
            inner[:] = [name for name in inner if name not in ("__pycache__", self.environment.name)]
            found |= {Path(folder, name).relative_to(self.root).as_posix() for name in (*inner, *files)}
        return found


class InstalledHost(LiveHost):
    """The copy as a person starts it, with all that is in its custom_nodes."""

    def __init__(self, copy: HostCopy, work: Path, options: Collection[str] = ()):
        super().__init__(copy.root, work)
        self.copy, self.options = copy, options

    def command(self) -> list[str]:
        port = self.address.rsplit(":", 1)[1]
        return [self.copy.python, "main.py", "--cpu", "--port", port, "--disable-auto-launch", *self.options]
