"""The small looping preview in a motion file: the Save nodes store it, the Load nodes and the route hand it out."""

import base64
import shutil
import urllib.error
import urllib.parse
import urllib.request

import pytest

from motion_core.files.header import read_metadata
from motion_core.motions.motion import read_motion
from motion_core.motions.thumbnail import read_preview
from motion_core.video.file_previews import count_preview_frames
from tests.host import graphs
from tests.host.graphs import Graph, out
from tests.quick.unit.test_released_files import RELEASED

KINDS = {
    "motion": ("Embedding", "motion_embeddings", "embedding_1_raw.safetensors", {}),
    "adapter": ("Adapter", "motion_adapters", "adapter_1_low_rank.safetensors", {"format": "motion adapter"}),
}
NO_MOTIONS = [
    "", "none.safetensors", "../secret.safetensors", "..\\secret.safetensors", "/etc/hostname", "sub/../a.safetensors",
    "a\x00b.safetensors", "example: ../../folder.py", "motion LoRA: a.safetensors", "motion LoRA: ../a.safetensors",
    "x" * 4000,
]  # fmt: skip


def ask(host, **query):
    """The status, the kind and the body of an answer."""
    address = f"{host.address}/api/motion_inversion/preview?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status, answer.headers.get("Content-Type"), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, "", error.read()


def put(host, folder, source, name):
    path = host.work / "models" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return shutil.copy(RELEASED / source, path)


@pytest.mark.parametrize("widget", KINDS)
def test_a_preview_is_saved_handed_out_and_kept(host, widget):
    kind, folder, source, options = KINDS[widget]
    put(host, folder, source, "plain.safetensors")
    graph, loads = Graph(), f"LoadMotion{kind}"
    clip = graphs.load_clip(graph)
    loaded = graph.add(loads, **{widget: "plain.safetensors"})
    save = {widget: out(loaded), **options}
    graph.add(f"SaveMotion{kind}", **save, name="previews/with", preview=out(clip))
    graph.add(f"SaveMotion{kind}", **save, name="previews/without")
    host.wait(host.queue(graph))
    saved = host.work / "models" / folder / "previews"
    assert not read_motion(saved / "without.safetensors").origin.preview
    preview = read_motion(saved / "with.safetensors").origin.preview
    assert count_preview_frames(preview) == 16

    graph = Graph()
    loaded = graph.add(loads, **{widget: "previews/with.safetensors"})
    graph.add(f"SaveMotion{kind}", **{widget: out(loaded), **options}, name="previews/again")
    outputs = host.wait(host.queue(graph))
    (shown,) = outputs[loaded]["images"]
    assert outputs[loaded]["animated"] == [True]
    assert (host.work / "temp" / shown["subfolder"] / shown["filename"]).read_bytes() == preview
    assert (saved / "again.safetensors").read_bytes() == (saved / "with.safetensors").read_bytes()

    assert ask(host, **{widget: "previews/with.safetensors"}) == (200, "image/webp", preview)
    listed = host.ask(f"/view_metadata/{folder}?filename=previews/with.safetensors")  # what its model library shows
    assert base64.b64decode(listed["modelspec.thumbnail"].removeprefix("data:image/webp;base64,")) == preview
    assert ask(host, **{widget: "previews/without.safetensors"})[::2] == (204, b"")


@pytest.mark.parametrize("widget", KINDS)
@pytest.mark.parametrize("name", NO_MOTIONS)
def test_nothing_outside_the_folders_is_read(host, widget, name):
    shutil.copy(RELEASED / "embedding_1_raw.safetensors", host.work / "models" / "secret.safetensors")
    status, _, body = ask(host, **{widget: name})
    assert status in (400, 404, 414) and b"WEBP" not in body


def test_a_request_that_names_nothing_gets_nothing(host):
    assert ask(host)[::2] == ask(host, other="a")[::2] == (204, b"")


def test_a_hostile_file_has_no_preview(host):
    folder = host.work / "models" / "motion_embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate((b"", b"\xff" * 100, b"<svg onload='alert(1)'/>", (2**40).to_bytes(8, "little"))):
        name = f"hostile_{number}.safetensors"
        (folder / name).write_bytes(content)
        assert read_preview(read_metadata(folder / name)) == b""
        assert ask(host, motion=name)[::2] == (204, b"")
        (folder / name).unlink()
