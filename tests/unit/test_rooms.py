"""The arrows between the rooms: nodes -> motion_core -> torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = sorted((ROOT / "motion_core").rglob("*.py"))
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


def imports(path: Path):
    """(module, level, at the top of the file) of each import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, 0, node in tree.body
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level, node in tree.body


@pytest.mark.parametrize("path", CORE, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_core_knows_torch_and_no_host(path):
    for module, level, at_top in imports(path):
        name = module.split(".")[0]
        assert level or name not in HOST, f"{path} imports the host's {module}"
        assert level or name in ALLOWED | OPTIONAL | set(sys.stdlib_module_names), f"{path} imports {module}"
        assert level or not at_top or name not in LATE, f"{path}: import {module} late"


LEARNING = ("learning", "injection", "embedding", "objectives", "transfer")
EVALUATION = ("metrics", "tracking")


def test_learning_and_evaluation_never_import_each_other():
    core = ROOT / "motion_core"
    for name in LEARNING:
        assert not any(set(module.split(".")) & set(EVALUATION) for module, _, _ in imports(core / f"{name}.py"))
    for room in EVALUATION:
        for path in (core / room).rglob("*.py"):
            assert not any(module.split(".")[0] in LEARNING for module, _, _ in imports(path)), path


@pytest.mark.parametrize("name", ["diffusers", "kornia", *sorted(OPTIONAL)])
def test_the_core_is_imported_without(name):
    rooms = "motion_core.commands, motion_core.metrics.report, motion_core.metrics.clip_features"
    rooms += ", motion_core.tracking.tracker"
    code = f"import sys; sys.modules[{name!r}] = None; import {rooms}, motion_core.metrics.image_reward"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_pack_is_quiet_without_a_host():
    code = "import runpy; runpy.run_path('__init__.py', run_name='pack')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not done.stdout and not done.stderr
