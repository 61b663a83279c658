"""Names that graphs hold mean the same file on each system, and none leads out of its folder on any of them."""

import ntpath
import sys
from pathlib import PureWindowsPath
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import PROPERTY

from tests.material.hostile_names import TEXTS
from tests.quick.unit.host_files import import_host_file

names = import_host_file("file_names")

ON_WINDOWS, ON_LINUX = "people\\run.safetensors", "people/run.safetensors"
ROOT = PureWindowsPath("C:\\models\\motion_embeddings")
LETTERS = st.text(st.sampled_from("aZ0. :/\\~*?<>|\"'$%\u00e9\u96ea\u0130conulp1"), max_size=12)


@pytest.fixture
def folders(monkeypatch, tmp_path):
    """nodes/host/folders.py over a host that lists a motion in a folder, with the separator of Windows."""
    (tmp_path / "people").mkdir()
    (tmp_path / ON_LINUX).write_bytes(b"a motion")
    host = SimpleNamespace(
        get_filename_list=lambda folder: [ON_WINDOWS, "walk.SafeTensors"],
        get_folder_paths=lambda folder: [str(tmp_path)],
        folder_names_and_paths={},
        models_dir=str(tmp_path),
    )
    monkeypatch.setitem(sys.modules, "folder_paths", host)
    module = import_host_file("folders")
    monkeypatch.setattr(module, "folder_paths", host)
    return module


def assert_stays_inside_on_windows(name):
    path = PureWindowsPath(ntpath.normpath(ROOT / names.with_slashes(name)))
    assert path.is_relative_to(ROOT) and path != ROOT, path
    assert not path.is_reserved() and len(path.parts) == len(ROOT.parts) + 1 + names.with_slashes(name).count("/")


def test_a_motion_is_found_by_its_name_on_either_system(folders, tmp_path):
    assert folders.find_motion(ON_WINDOWS) == folders.find_motion(ON_LINUX) == tmp_path / "people" / "run.safetensors"
    assert folders.find_adapter(ON_WINDOWS).is_file() and folders.find_tracker_weights(ON_WINDOWS).is_file()


def test_a_graph_gets_names_that_another_system_knows(folders, tmp_path):
    assert folders.list_motions()[:2] == [ON_LINUX, "walk.SafeTensors"]
    assert folders.list_adapters()[0] == ON_LINUX and ON_LINUX in folders.list_tracker_weights()
    assert folders.saved_name(folders.MOTION_FOLDER, tmp_path / "people" / "run.safetensors") == ON_LINUX


@pytest.mark.parametrize("name", TEXTS, ids=range(len(TEXTS)))
def test_a_hostile_name_that_is_taken_stays_inside_on_windows(name):
    if names.is_plain(name):
        assert_stays_inside_on_windows(name)


@PROPERTY
@given(LETTERS)
def test_any_name_that_is_taken_stays_inside_on_windows(name):
    if names.is_plain(name):
        assert_stays_inside_on_windows(name)


@pytest.mark.parametrize(
    "name",
    ["CON", "nul.safetensors", "x/aux", "x\\aux.mp4", "COM1", "lpt\u00b9", "conin$", "x.", "x ", "C:x", "x:stream"],
)
def test_names_that_windows_keeps_for_itself_are_refused(folders, name):
    with pytest.raises(folders.OptionError, match="no name in its folder"):
        folders.free_path(folders.MOTION_FOLDER, name)


@pytest.mark.parametrize("char", '<>"|?*')
def test_characters_that_windows_takes_in_no_name_are_refused_for_new_files_only(folders, char):
    with pytest.raises(folders.OptionError, match="which Windows takes in no name"):
        folders.free_path(folders.MOTION_FOLDER, f"what{char}")
    assert names.is_plain(f"what{char}.mp4")


@pytest.mark.parametrize(
    "name, taken, free",
    [
        ("run", [], "run.safetensors"),
        ("run", ["walk.safetensors"], "run.safetensors"),
        ("run", ["run.safetensors"], "run_02.safetensors"),
        ("run", ["Run.SafeTensors"], "run_02.safetensors"),
        ("RUN", ["run.safetensors", "run_02.safetensors"], "RUN_03.safetensors"),
        ("caf\u00e9", ["cafe\u0301.safetensors"], "caf\u00e9_02.safetensors"),
    ],
)
def test_a_new_file_takes_no_name_that_another_system_holds_for_the_same(name, taken, free):
    assert names.free_name(name, ".safetensors", taken) == free


def test_a_motion_is_saved_beside_one_whose_name_differs_in_case_only(folders, tmp_path):
    found = [folders.free_path(folders.MOTION_FOLDER, name) for name in ("people\\RUN.SafeTensors", "new/run")]
    assert found == [tmp_path / "people" / "RUN_02.safetensors", tmp_path / "new" / "run.safetensors"]


def test_clips_are_listed_whatever_the_case_of_their_ending(folders, tmp_path, monkeypatch):
    for name in ("a.MP4", "b.WebM", "notes.TXT"):
        (tmp_path / name).write_bytes(b"content")
    monkeypatch.setattr(folders.folder_paths, "get_input_directory", lambda: str(tmp_path), raising=False)
    assert [name for name in folders.list_clips() if not name.startswith(folders.EXAMPLE)] == ["a.MP4", "b.WebM"]
