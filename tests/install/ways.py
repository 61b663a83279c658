"""The ways in which a person installs the pack, and removes it again."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.host.live_host import PACK
from tests.install.host_copy import HostCopy, Impossible
from tools.fill_addresses import fill_addresses

NAME = "motion-inversion"
MANAGER = ("--enable-manager",)
QUIET = ("--skip-prompt", "--no-enable-telemetry")


def run(*command: str, cwd: Path, **variables: str) -> str:
    """What a command prints. Raises AssertionError with that if it fails."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **variables}, text=True, encoding="utf-8", errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout[-3000:]}"
    return done.stdout


class Way(ABC):
    """copy: the host to install into; work: a folder for what the way needs itself."""

    options: tuple[str, ...] = ()
    """With which the host is started."""

    def __init__(self, copy: HostCopy, work: Path):
        self.copy, self.work = copy, work
        self.place = copy.root / "custom_nodes" / NAME
        if not (PACK / ".git").exists():
            raise Impossible(f"{PACK} is no git repository, which the pack is installed from; git clone it")

    def prepare(self) -> None:  # noqa: B027
        """Gets what a person has before: the Manager, or nothing."""

    @abstractmethod
    def install(self) -> None:
        """Puts the pack into the host, with what it requires."""

    def uninstall(self) -> None:
        shutil.rmtree(self.place)

    def install_requirements(self) -> None:
        self.copy.run(self.copy.python, "-m", "pip", "install", "-q", "-r", "requirements.txt", cwd=self.place)


class Git(Way):
    """git clone into custom_nodes, and pip install -r requirements.txt."""

    def install(self) -> None:
        run("git", "clone", "-q", PACK.as_uri(), str(self.place), cwd=self.place.parent)
        self.install_requirements()


class Manager(Way):
    """ComfyUI-Manager's command line, from a git address."""

    options = MANAGER

    def prepare(self) -> None:
        self.copy.pip("install", "-q", "-r", str(self.copy.root / "manager_requirements.txt"))
        settings = self.copy.root / "user" / "__manager" / "config.ini"
        settings.parent.mkdir(parents=True)
        settings.write_text("[default]\nnetwork_mode = offline\n", encoding="utf-8")

    def install(self) -> None:
        with serve_repository(self.work) as address:
            self.call("install", address, "--exit-on-fail", "--mode", "local")

    def uninstall(self) -> None:
        self.call("uninstall", NAME, "--mode", "local")

    def call(self, *arguments: str) -> None:
        self.copy.run(self.copy.python, "-m", "cm_cli", *arguments, COMFYUI_PATH=str(self.copy.root))


class ComfyCli(Manager):
    """comfy-cli, which calls the Manager of the host."""

    def prepare(self) -> None:
        super().prepare()
        self.cli = find_comfy_cli(self.work)

    def call(self, *arguments: str) -> None:
        where = ("--workspace", str(self.copy.root))
        self.copy.run(self.cli, *QUIET, *where, "node", *arguments, **home_of_its_own(self.work))


class Zip(Way):
    """The registry's package, as comfy-cli packs it, unpacked into custom_nodes."""

    def prepare(self) -> None:
        self.package = pack(self.work)

    def install(self) -> None:
        with zipfile.ZipFile(self.package) as archive:
            archive.extractall(self.place)
        self.install_requirements()


WAYS: dict[str, type[Way]] = {"git": Git, "manager": Manager, "comfy-cli": ComfyCli, "zip": Zip}


def pack(work: Path) -> Path:
    """Validates and packs the last commit as the registry's workflow does, with addresses in it."""
    clone = work / "packed"
    if not clone.exists():
        run("git", "clone", "-q", PACK.as_uri(), str(clone), cwd=work)
        commit = run("git", "rev-parse", "HEAD", cwd=clone).strip()
        project = clone / "pyproject.toml"
        text = fill_addresses(project.read_text(encoding="utf-8"), "https://git.invalid/owner/name", commit)
        project.write_text(text, encoding="utf-8")
        cli, home = find_comfy_cli(work), home_of_its_own(work)
        said = run(cli, *QUIET, "node", "validate", cwd=clone, **home)
        assert "passed" in said and "arning" not in said, said
        run(cli, *QUIET, "node", "pack", cwd=clone, **home)
    return clone / "node.zip"


def find_comfy_cli(work: Path) -> str:
    """The program named in COMFY_CLI, the one on the path, or one that is installed for this rehearsal."""
    found = os.environ.get("COMFY_CLI") or shutil.which("comfy")
    if found:
        return found
    environment = work / "comfy-cli"
    if not environment.exists():
        run(sys.executable, "-m", "venv", str(environment), cwd=work)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    run(str(programs / "python"), "-m", "pip", "install", "-q", "comfy-cli", cwd=work)
    return str(programs / "comfy")


def home_of_its_own(work: Path) -> dict[str, str]:
    """Variables that keep comfy-cli from the person's own settings."""
    home = work / "home"
    home.mkdir(exist_ok=True)
    return {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home), "XDG_CONFIG_HOME": str(home)}


@contextmanager
def serve_repository(work: Path) -> Iterator[str]:
    """Yields an http address of a bare clone, since the Manager takes no path."""
    bare = work / "served" / f"{NAME}.git"
    if not bare.exists():
        run("git", "clone", "-q", "--bare", PACK.as_uri(), str(bare), cwd=work)
        run("git", "update-server-info", cwd=bare)
    handler = functools.partial(QuietHandler, directory=str(bare.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{bare.name}"
        finally:
            server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing of requests."""
