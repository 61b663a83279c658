"""The parts of the rehearsal that need no host: copies of environments, what is served and what is packed."""

import base64
import hashlib
import shutil
import subprocess
import sys
import venv
import zipfile

import pytest

from tests.host.live_host import PACK
from tests.install.host_copy import HostCopy, Impossible, fingerprint
from tests.install.rehearse import find_oldest
from tests.install.ways import pack, serve_repository

REPOSITORY = pytest.mark.skipif(not (PACK / ".git").exists(), reason="this is no git repository; git clone it")


def write_wheel(folder, name, *needs):
    """A package of one module, in the form that pip installs without building it."""
    home = f"{name}-1.0.dist-info"
    wanted = "".join(f"Requires-Dist: {need}\n" for need in needs)
    files = {
        f"{name}.py": "",
        f"{home}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{wanted}",
        f"{home}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for file, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{file},sha256={digest},{len(text)}\n"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for file, text in {**files, f"{home}/RECORD": record + f"{home}/RECORD,,\n"}.items():
            wheel.writestr(file, text)


@pytest.fixture(scope="module")
def fake_host(tmp_path_factory):
    """A host that requires `pear`, with `apple` in its environment, which needs `pear` and `seed`."""
    folder = tmp_path_factory.mktemp("host")
    (folder / "main.py").write_text("", encoding="utf-8")
    (folder / "requirements.txt").write_text("# the host's\npear\n", encoding="utf-8")
    venv.create(folder / "venv", with_pip=True, symlinks=sys.platform != "win32")
    for name, needs in (("pear", ()), ("seed", ()), ("apple", ("pear", "seed", "stone; extra == 'more'"))):
        write_wheel(folder, name, *needs)
    python = folder / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    install = [python, "-m", "pip", "install", "-q", "--no-index", "--find-links", folder, "apple"]
    subprocess.run(install, check=True)
    return folder


def test_a_package_is_removed_with_what_it_alone_needs_and_the_original_stays(fake_host, tmp_path, monkeypatch):
    monkeypatch.delenv("COMFYUI_PYTHON", raising=False)
    before = fingerprint(fake_host / "venv")
    copy = HostCopy(fake_host, tmp_path)
    assert {"apple", "pear", "seed"} <= copy.freeze().keys()
    assert copy.remove("apple") == {"apple", "seed"}
    assert "pear" in copy.freeze() and not {"apple", "seed"} & copy.freeze().keys()
    copy.pip("install", "-q", "--no-index", "--find-links", str(fake_host), "--force-reinstall", "apple")
    assert copy.needs(["apple"]) == {"apple", "pear", "seed"}
    assert fingerprint(fake_host / "venv") == before


def test_a_host_without_an_environment_is_refused_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("COMFYUI_PYTHON", str(tmp_path / "bin" / "python"))
    with pytest.raises(Impossible, match="no virtual environment that can be copied; make one in"):
        HostCopy(tmp_path, tmp_path / "copy")


@REPOSITORY
def test_the_served_repository_is_this_one(tmp_path):
    with serve_repository(tmp_path) as address:
        subprocess.run(["git", "clone", "-q", address, tmp_path / "clone"], check=True)
    heads = [
        subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, check=True, text=True).stdout
        for folder in (PACK, tmp_path / "clone")
    ]
    assert heads[0] == heads[1] and (tmp_path / "clone" / "__init__.py").is_file()


@REPOSITORY
@pytest.mark.skipif(shutil.which("comfy") is None, reason="comfy-cli is not here; pip install comfy-cli")
def test_comfy_cli_packs_what_the_host_needs(tmp_path):
    with zipfile.ZipFile(pack(tmp_path)) as package:
        names = set(package.namelist())
    assert {"__init__.py", "pyproject.toml", "requirements.txt", "nodes/extension.py"} <= names
    assert not [name for name in names if name.startswith(("tests/", "tools/", "benchmarks/", "assets/", ".github/"))]


def test_the_oldest_version_is_the_bound_of_the_requirements():
    assert find_oldest().count(".") == 2 and f"diffusers>={find_oldest()}".startswith(
        next(
            line
            for line in (PACK / "requirements.txt").read_text(encoding="utf-8").splitlines()
            if line.startswith("diffusers")
        )
    )
