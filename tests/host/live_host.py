"""A live ComfyUI on the CPU, with user, input, output and temp folders of its own and this pack mounted."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.host.links import link

PACK = Path(__file__).resolve().parents[2]
PROBES = Path(__file__).with_name("probes")
ANIMATEDIFF = "ComfyUI-AnimateDiff-Evolved"
HOW_TO_GET_ANIMATEDIFF = f"the host has no {ANIMATEDIFF}; put it into its custom_nodes"
HOW_TO_GET_OPENCV = "the host has no OpenCV; pip install opencv-python-headless into its environment"
USUAL = Path.home() / "comfy" / "ComfyUI"
HOW_TO_GET_ONE = (
    "no ComfyUI was found: name one in COMFYUI_PATH, put this pack into a ComfyUI's custom_nodes, or install one to "
    "~/comfy/ComfyUI (comfy-cli's default place)"
)


def find_host() -> Path | None:
    """The ComfyUI named in COMFYUI_PATH, the one that encloses the pack, or the one at comfy-cli's default place."""
    named = os.environ.get("COMFYUI_PATH")
    candidates = [Path(named)] if named else [*PACK.parents, USUAL]
    return next((path for path in candidates if (path / "comfy_api" / "latest").is_dir()), None)


def find_python(host: Path) -> str:
    """The interpreter that the host runs in: COMFYUI_PYTHON, a venv in or beside it, or this one."""
    named = os.environ.get("COMFYUI_PYTHON")
    venvs = [folder / name for folder in (host, host.parent) for name in ("venv", ".venv")]
    found = [path for venv in venvs for path in (venv / "bin/python", venv / "Scripts/python.exe") if path.exists()]
    return named or str(found[0] if found else sys.executable)


def has_opencv(host: Path) -> bool:
    return subprocess.run([find_python(host), "-c", "import cv2"], capture_output=True).returncode == 0


class Refused(AssertionError):
    """The host did not take a graph. message: its answer."""

    def __init__(self, message: Any):
        super().__init__(json.dumps(message, indent=1)[:4000])
        self.message = message


class Failed(AssertionError):
    """A node of a graph raised. message: the sentence; node: its type."""

    def __init__(self, event: dict[str, Any]):
        super().__init__(f"{event.get('node_type')}: {event.get('exception_message')}")
        self.message, self.node = event.get("exception_message", "").strip(), event.get("node_type")


class Interrupted(AssertionError):
    """A graph was cancelled."""


class LiveHost:
    def __init__(self, root: Path, work: Path):
        self.root, self.work = root, work
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.log = work / "host.log"
        for name in ("user/default", "input", "output", "temp", "custom_nodes", "models", "mounted"):
            (work / name).mkdir(parents=True, exist_ok=True)
        settings = {"Comfy.TutorialCompleted": True}  # else the template dialog covers the first start
        (work / "user" / "default" / "comfy.settings.json").write_text(json.dumps(settings), encoding="utf-8")
        link(work / "mounted" / "motion-inversion", PACK)
        link(work / "mounted" / "probes", PROBES)
        self.packs = ["motion-inversion", "probes"]
        if (root / "custom_nodes" / ANIMATEDIFF).is_dir():
            link(work / "mounted" / ANIMATEDIFF, root / "custom_nodes" / ANIMATEDIFF)
            link(work / "mounted" / "tiny_animatediff", Path(__file__).with_name("tiny_animatediff"))
            self.packs += [ANIMATEDIFF, "tiny_animatediff"]

    def start(self, patience: float = 180, python_path: Path | None = None) -> None:
        """python_path: a folder whose modules go before all others."""
        paths = self.work / "paths.yaml"
        paths.write_text(f"tests:\n  base_path: {self.work}\n  custom_nodes: mounted\n", encoding="utf-8")
        port = self.address.rsplit(":", 1)[1]
        command = [find_python(self.root), "main.py", "--cpu", "--port", port, "--disable-auto-launch"]
        command += ["--base-directory", str(self.work)]
        command += ["--extra-model-paths-config", str(paths), "--database-url", "sqlite:///:memory:"]
        command += ["--disable-all-custom-nodes", "--whitelist-custom-nodes", *self.packs]
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        if python_path is not None:
            clean["PYTHONPATH"] = str(python_path)
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, cwd=self.root, stdout=log, stderr=log, env=clean)
        until = time.monotonic() + patience
        while True:
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise AssertionError(f"the host did not start:\n{self.log.read_text(encoding='utf-8')[-4000:]}")
            try:
                self.ask("/system_stats")
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def queue(self, graph: dict[str, Any]) -> str:
        """Post a graph in API format. Raises Refused."""
        try:
            queued = self.ask("/prompt", {"prompt": graph})
        except urllib.error.HTTPError as error:
            raise Refused(json.loads(error.read())) from error
        if queued["node_errors"]:
            raise Refused(queued)
        return queued["prompt_id"]

    def wait(self, number: str, patience: float = 300) -> dict[str, dict[str, Any]]:
        """What its output nodes showed, by node. Raises Failed, Interrupted."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            entry = self.ask(f"/history/{number}").get(number)
            if entry is None:
                assert self.process.poll() is None, self.log.read_text(encoding="utf-8")[-4000:]
                time.sleep(0.05)
                continue
            for kind, event in entry["status"]["messages"]:
                if kind == "execution_error":
                    raise Failed(event)
                if kind == "execution_interrupted":
                    raise Interrupted
            return entry["outputs"]
        raise AssertionError(f"no end after {patience} s:\n{self.log.read_text(encoding='utf-8')[-4000:]}")

    def kept(self, number: str) -> set[str]:
        """The nodes of a finished run whose outputs the host still had."""
        messages = dict(self.ask(f"/history/{number}")[number]["status"]["messages"])
        return set(messages["execution_cached"]["nodes"])

    def forget(self) -> None:
        """Empty its cache, so that the next run makes everything anew."""
        self.ask("/free", {"unload_models": True, "free_memory": True})
        time.sleep(1)  # the worker does so when it wakes, and says nothing

    def run(self, graph: dict[str, Any]) -> dict[str, str]:
        """Run a graph and return what its probes found, by node."""
        outputs = self.wait(self.queue(graph))
        return {node: shown["text"][0] for node, shown in outputs.items() if "text" in shown}
