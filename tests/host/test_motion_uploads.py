"""Motion files over HTTP: taken whole into the host's folders, never over another file, and refused in a sentence."""

import json
import socket
import urllib.error
import urllib.parse
import urllib.request

import pytest

from motion_core.starter.folder import MOTION_FOLDER
from tests.material.hostile_names import TEXTS
from tests.quick.unit import test_adapter_file, test_embedding

EMBEDDING, ADAPTER = "motion-embedding", "motion-adapter"
FOLDERS = {EMBEDDING: "motion_embeddings", ADAPTER: "motion_adapters"}


@pytest.fixture
def motions(tmp_path):
    """The bytes of a motion of each kind."""
    test_embedding.make().save(tmp_path / "a.safetensors")
    test_adapter_file.make().save(tmp_path / "b.safetensors")
    return {EMBEDDING: (tmp_path / "a.safetensors").read_bytes(), ADAPTER: (tmp_path / "b.safetensors").read_bytes()}


@pytest.fixture(autouse=True)
def kept_clean(host):
    folders = [host.work / "models" / name for name in FOLDERS.values()]

    def files(root):
        return {path for path in root.rglob("*") if path.is_file() and path != host.log}

    before = files(host.work)
    yield
    made = files(host.work) - before
    assert all(path.parent in folders and path.suffix == ".safetensors" for path in made)
    for path in made:
        path.unlink()


def upload(host, content, name, kind=EMBEDDING):
    """The status, and the answer or the sentence."""
    query = urllib.parse.urlencode({"name": name, "format": kind}, errors="replace")
    request = urllib.request.Request(f"{host.address}/api/motion_inversion/motions?{query}", data=content)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def saved(host, answer):
    return (host.work / "models" / answer["folder"] / answer["name"]).read_bytes()


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_motion_is_kept_byte_for_byte_and_listed(host, motions, kind):
    status, answer = upload(host, motions[kind], "walk.safetensors", kind)
    assert (status, answer) == (200, {"folder": FOLDERS[kind], "name": "walk.safetensors"})
    assert saved(host, answer) == motions[kind]
    loader, name = ("LoadMotionEmbedding", "motion") if kind == EMBEDDING else ("LoadMotionAdapter", "adapter")
    assert "walk.safetensors" in host.ask(f"/object_info/{loader}")[loader]["input"]["required"][name][1]["options"]


def test_another_file_of_the_name_stays_and_the_same_is_taken_as_it_is(host, motions):
    other = (MOTION_FOLDER / "figure_eight.safetensors").read_bytes()
    names = [upload(host, content, "x.safetensors")[1]["name"] for content in (other, motions[EMBEDDING], other)]
    assert names == ["x.safetensors", "x_02.safetensors", "x.safetensors"]
    assert upload(host, motions[EMBEDDING], "x.safetensors")[1]["name"] == "x_02.safetensors"
    assert (host.work / "models/motion_embeddings/x.safetensors").read_bytes() == other


def test_what_is_no_motion_is_refused(host, motions):
    whole = motions[EMBEDDING]
    for content in (b"", b"{}", whole[:-10], whole[:-1] + bytes([whole[-1] ^ 1]), motions[ADAPTER], b"\xff" * 1000):
        status, sentence = upload(host, content, "y.safetensors")
        assert status == 400 and "y.safetensors" in sentence and str(host.work) not in sentence
    for kind in ("", "pt", "../models"):
        assert upload(host, whole, "y.safetensors", kind)[0] == 400


@pytest.mark.parametrize("part", range(4))
def test_every_name_stays_in_the_folder(host, motions, part):
    for name in ["", "../../x", "..\\x.safetensors", "/etc/x", "C:\\x", "CON", "nul.safetensors", *TEXTS][part::4]:
        status, answer = upload(host, motions[EMBEDDING], name[:2000])
        assert status in (200, 400)
        if status == 200:
            assert "/" not in answer["name"] and saved(host, answer) == motions[EMBEDDING]


def test_an_upload_that_breaks_off_leaves_nothing(host, motions):
    where = urllib.parse.urlsplit(host.address)
    with socket.create_connection((where.hostname, where.port)) as connection:
        head = f"POST /motion_inversion/motions?name=half.safetensors&format={EMBEDDING} HTTP/1.1"
        rest = f"Host: {where.netloc}\r\nContent-Length: 1000000"
        connection.sendall(f"{head}\r\n{rest}\r\n\r\n".encode() + motions[EMBEDDING])
    assert upload(host, motions[EMBEDDING], "after.safetensors")[0] == 200


def test_a_suffix_counts_in_any_case(host, motions):
    assert upload(host, motions[EMBEDDING], "Case.SafeTensors")[1]["name"] == "Case.safetensors"
    assert not list((host.work / "models").rglob("half*"))
