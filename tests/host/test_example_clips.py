"""The pack's example clips over HTTP, as the frontend asks for them: by the value of the node's widget."""

import urllib.error
import urllib.parse
import urllib.request

import pytest

from motion_core.starter.folder import CLIP_FOLDER

CLIPS = sorted(path.name for path in CLIP_FOLDER.glob("*.mp4"))
NO_CLIPS = [
    "",
    "none.mp4",
    "../folder.py",
    "..\\folder.py",
    "../../../README.md",
    "/etc/hostname",
    "C:\\windows\\win.ini",
    "sub/../hops.mp4",
    "hops.mp4/.",
    "a\x00b.mp4",
]


def ask(host, name, *, view="/api/view", **headers):
    query = urllib.parse.urlencode({"filename": name, "type": "input", "subfolder": ""})
    return urllib.request.urlopen(urllib.request.Request(f"{host.address}{view}?{query}", headers=headers), timeout=30)


def read_answer(host, name):
    """The status and the body."""
    try:
        with ask(host, name) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("view", ["/view", "/api/view"])
@pytest.mark.parametrize("name", CLIPS)
def test_an_example_clip_is_served_as_a_video(host, name, view):
    with ask(host, f"example: {name}", view=view) as answer:
        assert answer.headers.get_content_type() == "video/mp4"
        assert answer.read() == (CLIP_FOLDER / name).read_bytes()


def test_a_part_is_served_so_that_a_player_can_seek(host):
    with ask(host, f"example: {CLIPS[0]}", Range="bytes=100-199") as answer:
        assert answer.status == 206 and answer.read() == (CLIP_FOLDER / CLIPS[0]).read_bytes()[100:200]


@pytest.mark.parametrize("name", NO_CLIPS)
def test_nothing_but_the_example_clips_is_served(host, name):
    status, body = read_answer(host, f"example: {name}")
    assert status in (400, 404) and len(body) < 500


def test_the_input_folder_is_served_as_before(host):
    (host.work / "input" / "own.txt").write_text("mine", encoding="utf-8")
    assert read_answer(host, "own.txt") == (200, b"mine")
    assert read_answer(host, "none.mp4")[0] == 404
    assert not list((host.work / "input").glob("example*"))
