"""The pack as a whole: it loads where a neighbour is broken, and every node has its page."""

import urllib.request

import pytest

from tests.host.graphs import STARTER, Graph, load_clip, out
from tests.host.live_host import HOW_TO_GET_ONE, PACK, Failed, LiveHost, find_host
from tests.host.test_nodes import NODES


@pytest.mark.parametrize("name", NODES)
def test_every_node_has_its_page_with_a_picture(host, name):
    def fetch(file):
        with urllib.request.urlopen(f"{host.address}/extensions/motion-inversion/docs/{file}", timeout=30) as answer:
            return answer.read()

    page = fetch(f"{name}.md").decode()
    info = host.ask(f"/object_info/{name}")[name]
    for input_name in (*info["input"].get("required", {}), *info["input"].get("optional", {})):
        assert input_name in page, input_name
    assert f"{name}.jpg" in page and fetch(f"{name}.jpg")[:2] == b"\xff\xd8"


def test_a_broken_package_is_reported_when_it_is_needed(tmp_path):
    root = find_host()
    if root is None:
        pytest.skip(HOW_TO_GET_ONE)
    (tmp_path / "diffusers.py").write_text(
        "raise OSError('libcudart.so.13: cannot open shared object file')\n", encoding="utf-8"
    )
    (tmp_path / "cv2.py").write_text("raise ImportError('no cv2')\n", encoding="utf-8")
    live = LiveHost(root, tmp_path / "host")
    live.start(python_path=tmp_path)
    try:
        known = live.ask("/object_info")
        assert all(name in known for name in NODES)
        graph = Graph()
        model = graph.add("LoadVideoDiffusionModel", model=STARTER, dtype="as stored")
        graph.add("ProbeModel", model=out(model))
        with pytest.raises(Failed) as caught:
            live.run(graph)
        assert "diffusers could not be imported" in caught.value.message and "libcudart" in caught.value.message
        assert "no tracker is installed; pip install opencv" in _tracking_error(live, "auto")
        assert "OpenCV could not be imported (no cv2)" in _tracking_error(live, "lucas_kanade")
    finally:
        live.stop()


def _tracking_error(live, tracker):
    graph = Graph()
    graph.add("TrackMotion", images=out(load_clip(graph)), tracker=tracker, spacing=0)
    with pytest.raises(Failed) as caught:
        live.run(graph)
    return caught.value.message


def test_the_graphs_are_among_the_hosts_templates(host):
    shipped = sorted(path.stem for path in (PACK / "workflows").glob("*.json"))
    assert set(host.ask("/workflow_templates")["motion-inversion"]) == set(shipped)  # twice where it is also installed
    address = f"{host.address}/api/workflow_templates/motion-inversion/{shipped[0]}.jpg"
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert answer.read()[:2] == b"\xff\xd8"
