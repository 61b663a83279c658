"""Installs the last commit of this pack in copies of a host, in each way that a person has, and removes it again.

`python -m tests.install.rehearse [--way git|manager|comfy-cli|zip]` prints a line for each check and exits with 1 if
one fails. The host is found as the tests find it; it needs a virtual environment, ComfyUI-VideoHelperSuite and
ComfyUI-Advanced-ControlNet beside it, and pip a package index. A way takes some minutes. The host is not changed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packaging.requirements import Requirement

from tests.host import graphs
from tests.host.graphs import Graph, out
from tests.host.live_host import HOW_TO_GET_ONE, PACK, Failed, find_host, find_python
from tests.host.test_nodes import NODES
from tests.install.host_copy import HostCopy, Impossible, InstalledHost, find_environment, fingerprint
from tests.install.neighbours import PACKS, add_neighbours, combine
from tests.install.table import Table
from tests.install.ways import WAYS, Way

NEEDED = "diffusers"
MINE = "mine.safetensors"
OWN = ("input/", "output", "temp", "user", "models/motion_embeddings")
"""Where a person's own files lie, which stay when the pack goes."""


class Rehearsal:
    """One way in one copy."""

    def __init__(self, host: Path, way: str, folder: Path, table: Table):
        self.table, self.folder, self.way_name = table, folder, way
        self.copy = HostCopy(host, folder)
        add_neighbours(host, self.copy)
        self.way: Way = WAYS[way](self.copy, folder)

    def check(self, what: str, passed: bool, detail: str = "") -> None:
        self.table.add(f"{self.way_name}: {what}", passed, detail)

    def rehearse(self) -> None:
        with self.table.guarding(f"{self.way_name}: all steps"):
            self.way.prepare()
            gone = self.copy.remove(NEEDED)
            self.check(f"{NEEDED} and what it alone needs are taken out first", NEEDED in gone, " ".join(sorted(gone)))
            with self.running() as host:
                before = combine(host)
            clean = self.copy.tree()
            self.check_install()
            self.check_use(before)
            self.check_missing()
            self.check_oldest()
            self.check_uninstall(clean)

    @contextmanager
    def running(self) -> Iterator[InstalledHost]:
        work = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))
        host = InstalledHost(self.copy, work, self.way.options)
        host.start(patience=600)
        try:
            yield host
        finally:
            host.stop()

    def check_install(self) -> None:
        before = self.copy.freeze()
        self.way.install()
        after = self.copy.freeze()
        self.check("installed into custom_nodes", (self.way.place / "__init__.py").is_file())
        added = {name: version for name, version in after.items() if name not in before}
        changed = {name: f"{version} -> {after.get(name, 'none')}" for name, version in before.items()
                   if after.get(name) != version}  # fmt: skip
        within = NEEDED in added and set(added) <= self.copy.needs([NEEDED])
        said = " ".join(f"+{name}=={version}" for name, version in sorted(added.items()))
        self.check(f"pip adds {NEEDED} and what it needs alone", within, said)
        self.check("pip changes nothing else", not changed, str(changed or ""))

    def check_use(self, combined: str) -> None:
        with self.running() as host:
            known = host.ask("/object_info")
            self.check("all nodes are there", all(name in known for name in NODES), f"{len(NODES)} nodes")
            missing = [pack for pack, node in PACKS.items() if node not in known]
            failed = [
                line
                for line in host.log.read_text(errors="replace", encoding="utf-8").splitlines()
                if "IMPORT FAILED" in line
            ]
            self.check(
                "it and its neighbours load",
                not missing and not failed,
                " ".join([*missing, *failed]) or " ".join(PACKS),
            )
            shipped = {path.stem for path in (PACK / "workflows").glob("*.json")}
            listed = host.ask("/workflow_templates").get(self.way.place.name, [])
            self.check("its graphs are among the templates", shipped == set(listed), f"{len(listed)} graphs")
            with self.table.guarding(f"{self.way_name}: a graph runs"):
                self.check("a graph runs and saves a motion", bool(host.wait(host.queue(use_a_motion()))))
            self.check("a graph of VideoHelperSuite gives what it gave", combine(host) == combined)

    def check_missing(self) -> None:
        self.copy.pip("uninstall", "--yes", "--quiet", NEEDED)
        with self.running() as host:
            known = host.ask("/object_info")
            self.check(f"without {NEEDED} all nodes are there", all(name in known for name in NODES))
            try:
                host.wait(host.queue(use_a_motion()))
                message = "the graph ran"
            except Failed as reason:
                message = reason.message or ""
            clear = f"pip install -U {NEEDED}" in message and "\n" not in message
            self.check(f"without {NEEDED} a node says what to install", clear, message)

    def check_oldest(self) -> None:
        oldest = find_oldest()
        self.copy.pip("install", "--quiet", f"{NEEDED}=={oldest}")
        self.way.uninstall()
        before = self.copy.freeze()
        self.way.install()
        self.check(f"with {NEEDED} {oldest} there pip changes nothing", self.copy.freeze() == before)
        what = f"graphs run with {NEEDED} {oldest}"
        with self.running() as host, self.table.guarding(f"{self.way_name}: {what}"):
            shown = [host.wait(host.queue(graph)) for graph in (use_a_motion(), sample_wan())]
            self.check(what, all(shown), "on the starter and the Wan starter")

    def check_uninstall(self, clean: set[str]) -> None:
        self.way.uninstall()
        left = self.copy.tree() - clean
        others = sorted(path for path in left if not path.startswith(OWN))
        self.check("removed, it leaves nothing but the person's own", not others, " ".join(others))
        mine = self.copy.root / "models" / "motion_embeddings" / MINE
        self.check("the motion that was saved stays", mine.is_file(), mine.relative_to(self.copy.root).as_posix())


def use_a_motion() -> Graph:
    """Loads the starter, applies a motion that comes with the pack, samples, and saves clip and motion."""
    graph = Graph()
    model = graph.add("LoadVideoDiffusionModel", model=graphs.STARTER, dtype="as stored")
    motion = out(graph.add("LoadMotionEmbedding", motion="example: figure_eight.safetensors"))
    positive, negative = graphs.write(graph, model, "a blue square on a black ground"), graphs.write(graph, model, "")
    latent = graphs.sample(graph, graphs.apply(graph, out(model), motion), positive, negative)
    clip = graph.add("VAEDecode", samples=latent, vae=out(model, 2))
    graph.add("SaveImage", images=out(clip), filename_prefix="installed")
    graph.add("SaveMotionEmbedding", motion=motion, name=Path(MINE).stem)
    return graph


def sample_wan() -> Graph:
    """One step on the Wan starter, decoded."""
    graph = Graph()
    model = graph.add("LoadVideoDiffusionModel", model="Wan starter (comes with Motion Inversion)", dtype="as stored")
    text = graphs.write(graph, model, "a blue square on a black ground")
    empty = graph.add("EmptyHunyuanLatentVideo", width=64, height=64, length=5, batch_size=1)
    settings = {"steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple"}
    latent = graphs.sample(graph, out(model), text, text, latent_image=out(empty), **settings)
    clip = graph.add("VAEDecode", samples=latent, vae=out(model, 2))
    graph.add("SaveImage", images=out(clip), filename_prefix="installed")
    return graph


def find_oldest() -> str:
    """The lowest version that requirements.txt allows, in full."""
    lines = (PACK / "requirements.txt").read_text(encoding="utf-8").splitlines()
    (requirement,) = [Requirement(line) for line in lines if line.startswith(NEEDED)]
    (bound,) = [part.version for part in requirement.specifier if part.operator == ">="]
    return bound + ".0" * (2 - bound.count("."))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--way", choices=list(WAYS), action="append", help="may be repeated; all where none is given")
    chosen = parser.parse_args().way or list(WAYS)
    table = Table()
    try:
        host = find_host()
        if host is None:
            raise Impossible(HOW_TO_GET_ONE)
        original = find_environment(host)
        before = fingerprint(original)
        for way in chosen:
            with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
                Rehearsal(host, way, Path(folder), table).rehearse()
        table.add("the host's own environment is as it was", fingerprint(original) == before, f"{len(before)} files")
        works = subprocess.run([find_python(host), "-c", f"import {NEEDED}"], capture_output=True).returncode == 0
        table.add(f"and has {NEEDED} as it had", works)
    except Impossible as reason:
        print(reason)
        return 1
    print(f"{table.failed} failed" if table.failed else "all passed")
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
