"""The workflows that GitHub runs: what publishes is what was tested, and names this repository."""

from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[3] / ".github" / "workflows"
SYSTEMS = {"ubuntu-latest", "windows-latest", "macos-latest"}
if not FOLDER.is_dir():
    pytest.skip("this is a package without the project's workflows; git clone it", allow_module_level=True)
PUBLISH, TEST = (yaml.safe_load((FOLDER / name).read_text(encoding="utf-8")) for name in ("publish.yml", "test.yml"))
ON = True
"""What YAML makes of the key `on`."""


def test_only_a_versions_tag_publishes_and_only_after_the_tests():
    assert PUBLISH[ON] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}
    assert PUBLISH["jobs"]["test"]["uses"] == "./.github/workflows/test.yml" and "workflow_call" in TEST[ON]
    assert PUBLISH["jobs"]["publish"]["needs"] == "test"


def test_the_addresses_are_filled_in_before_publishing_and_stay():
    steps = PUBLISH["jobs"]["publish"]["steps"]
    filling = next(i for i, step in enumerate(steps) if "tools.fill_addresses" in step.get("run", ""))
    (publishing,) = [i for i, step in enumerate(steps) if "publish-node-action" in step.get("uses", "")]
    assert filling < publishing and steps[publishing]["with"]["skip_checkout"] == "true"


def test_the_quick_tests_run_on_each_system_and_python():
    matrix = TEST["jobs"]["quick"]["strategy"]["matrix"]
    assert set(matrix["os"]) == SYSTEMS and matrix["python"] == ["3.10", "3.11", "3.12", "3.13"]
