"""The rooms of the core and the arrows between them: nodes -> motion_core -> torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CORE = ROOT / "motion_core"
FILES = sorted(CORE.rglob("*.py"))
BASE = "base"
"""The files that lie in `motion_core` itself and import no room."""
PIPELINE = "pipeline"
ABOVE = {"pipeline": PIPELINE, "__main__": "commands"}
"""Files in `motion_core` itself that belong above the rooms that they import."""

LOW = {BASE}
ARROWS: dict[str, set[str]] = {
    BASE: set(),
    "files": LOW,
    "diffusion": LOW,
    "memory": LOW,
    "video": LOW,
    "models": {*LOW, "diffusion"},
    "motions": {*LOW, "diffusion", "files", "models", "video"},
    "formats": {*LOW, "files", "models", "motions"},
    "hooks": {*LOW, "models", "motions"},
    "recipes": {*LOW, "diffusion", "memory", "models", "motions", "video"},
    "training": {*LOW, "diffusion", "memory", "models", "motions", "hooks", "recipes"},
    "sampling": {*LOW, "diffusion", "hooks"},
    "guidance": {*LOW, "diffusion", "memory", "models", "hooks", "sampling"},
    PIPELINE: {*LOW, "diffusion", "models", "motions", "hooks", "recipes", "training", "sampling", "guidance", "video"},
    "tracking": {*LOW, "files", "video"},
    "metrics": {*LOW, "files", "video", "tracking"},
    "starter": {*LOW, "video", "models", "motions", "hooks", "recipes", "metrics", PIPELINE},
    "evaluation": {
        *LOW, "diffusion", "models", "motions", "hooks", "recipes", "sampling", "guidance", "metrics", "tracking",
        "video", "starter", PIPELINE,
    },
    "commands": {
        *LOW, "diffusion", "files", "models", "motions", "formats", "hooks", "recipes", "training", "guidance",
        "metrics", "video", "starter", "evaluation", PIPELINE,
    },
}  # fmt: skip
"""Room -> the rooms that it may import."""

ALLOWED = {
    "torch",
    "av",
    "PIL",
    "numpy",
    "safetensors",
    "einops",
    "kornia",
    "diffusers",
    "transformers",
    "tokenizers",
    "huggingface_hub",
    "tqdm",
}
OPTIONAL = {"cv2", "torchvision", "cotracker", "ImageReward", "yaml", "ray", "psutil"}
LATE = {"diffusers", "transformers", "tokenizers", "huggingface_hub", "kornia"} | OPTIONAL
HOST = {"comfy", "comfy_api", "folder_paths", "server", "execution", "nodes"}


def list_imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Lists (absolute name of the module, whether at the top of the file) of each import, relative ones resolved."""
    package = list(path.relative_to(ROOT).parent.parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node in tree.body
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:  # `from . import x` names a module, `from .x import y` a name in one
                inner = f"{module}.{alias.name}"
                yield (inner if find_file(inner) else module), node in tree.body


def find_file(module: str) -> Path | None:
    """Finds the file of a module of the core."""
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if module.startswith("motion_core") and file.is_file():
            return file
    return None


def room_of(path: Path) -> str:
    parts = path.relative_to(CORE).with_suffix("").parts
    return parts[0] if len(parts) > 1 else ABOVE.get(parts[0], BASE)


def list_arrows(files: list[Path]) -> dict[Path, set[Path]]:
    """Lists file -> the files of the core that it imports."""
    return {path: {file for name, _ in list_imports(path) if (file := find_file(name))} for path in files}


def find_circle(arrows: dict[Path, set[Path]]) -> list[Path]:
    """Finds files that import each other in a circle."""
    done: set[Path] = set()

    def visit(path: Path, way: list[Path]) -> list[Path]:
        if path in way:
            return [*way[way.index(path) :], path]
        if path in done:
            return []
        for other in sorted(arrows.get(path, ())):
            found = visit(other, [*way, path])
            if found:
                return found
        done.add(path)
        return []

    return next((circle for path in sorted(arrows) if (circle := visit(path, []))), [])


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_core_imports_only_what_it_may(path):
    for module, at_top in list_imports(path):
        name = module.split(".")[0]
        assert name not in HOST, f"{path} imports the host's {module}"
        assert name in ALLOWED | OPTIONAL | {"motion_core"} | set(sys.stdlib_module_names), f"{path} imports {module}"
        assert not at_top or name not in LATE, f"{path}: import {module} late"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_arrows_between_rooms_point_down(path):
    room = room_of(path)
    for other in list_arrows([path])[path]:
        if room_of(other) != room and other != CORE / "__init__.py":
            assert room_of(other) in ARROWS[room], f"{room} may not import {other.relative_to(ROOT)}"


def test_no_files_import_each_other_in_a_circle():
    circle = find_circle(list_arrows(FILES))
    assert not circle, " -> ".join(path.relative_to(CORE).as_posix() for path in circle)


def test_the_table_of_arrows_has_no_circle_and_no_idle_arrow():
    left = dict(ARROWS)
    while left:
        lowest = [room for room, below in left.items() if not below & left.keys()]
        assert lowest, f"a circle among {sorted(left)}"
        for room in lowest:
            del left[room]
    used = {(room_of(path), room_of(other)) for path, others in list_arrows(FILES).items() for other in others}
    idle = [(room, other) for room, below in ARROWS.items() for other in below if (room, other) not in used]
    assert not idle, f"no file needs {idle}"


def test_a_family_imports_no_other_family():
    families = {path.parent for path in (CORE / "models").glob("*/__init__.py")}
    for path, others in list_arrows(FILES).items():
        for other in others:
            if path.parent in families and other.parent in families:
                assert path.parent == other.parent, f"{path} imports {other}"


def test_relative_imports_and_circles_are_seen():
    package = CORE / "models" / "zeroscope"
    assert find_file("motion_core.models.zeroscope.sites") == package / "sites.py"
    names = [name for name, _ in list_imports(CORE / "commands" / "main.py")]
    assert "motion_core.commands.learn" in names  # of `from . import learn`
    a, b, c = (CORE / f"{name}.py" for name in "abc")
    assert find_circle({a: {b}, b: {c}, c: {a}}) == [a, b, c, a] and not find_circle({a: {b, c}, b: {c}, c: set()})


def test_packages_re_export_nothing():
    for path in CORE.rglob("__init__.py"):
        assert not list(list_imports(path)), f"{path} imports"


@pytest.mark.parametrize("name", ["diffusers", "kornia", *sorted(OPTIONAL)])
def test_the_core_is_imported_without(name):
    rooms = "motion_core.commands.main, motion_core.metrics.pictures.report, motion_core.metrics.clip_features"
    trackers = "motion_core.tracking.tracker, motion_core.metrics.image_reward"
    code = f"import sys; sys.modules[{name!r}] = None; import {rooms}, {trackers}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_pack_is_quiet_without_a_host():
    code = "import runpy; runpy.run_path('__init__.py', run_name='pack')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not done.stdout and not done.stderr
