"""Every shipped graph in the real frontend with nothing missing, and run there to a saved video."""

import json
from pathlib import Path

import pytest

from motion_core.guidance.methods import METHODS
from motion_core.recipes.catalogue import ADAPTER_RECIPES
from motion_core.starter.folder import CLIP_FOLDER
from motion_core.video.reading import read_clip
from tests.host import graphs
from tests.host.live_host import ANIMATEDIFF, HOW_TO_GET_ANIMATEDIFF, HOW_TO_GET_OPENCV, PACK, find_host, has_opencv
from tests.ui import browser

GRAPHS = sorted((PACK / "workflows").glob("*.json"))
NAMES = [path.stem for path in GRAPHS]
QUICK = {"steps": 2, "width": 64, "height": 64}
"""What is put into a graph's widgets so that a run takes seconds; everything else stays as it is shipped."""
REPEATED = ("00", "40", "60", "64")
"""Graphs that run twice to the same video: an embedding in each family, an adapter and a guidance."""
WAN_FRAMES = 9
STEPS_TO_TRACK = 8
"""Fewer leave nothing in the frames that could be followed."""


@pytest.fixture
def graph(host, path):
    """A shipped graph, where the host has the packs that it takes."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if ANIMATEDIFF not in host.packs and any(node["type"].startswith("ADE_") for node in content["nodes"]):
        pytest.skip(HOW_TO_GET_ANIMATEDIFF)
    return content


def test_each_graph_has_its_picture_and_nothing_else_is_there():
    assert {path.name for path in (PACK / "workflows").iterdir()} == {
        f"{name}{suffix}" for name in NAMES for suffix in (".json", ".jpg")
    }


def test_each_says_which_models_it_takes_and_where_they_go():
    for path in GRAPHS:
        nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
        models = [model for node in nodes for model in node["properties"].get("models", [])]
        assert all(model["url"].startswith("https://") and model["directory"] for model in models)
        loaders = {"CheckpointLoaderSimple", "ADE_LoadAnimateDiffModel", "UNETLoader", "CLIPLoader", "VAELoader"}
        assert all(node["properties"].get("models") for node in nodes if node["type"] in loaders)


def test_example_clips_have_the_frames_that_graphs_take():
    for path in GRAPHS:
        for node in json.loads(path.read_text(encoding="utf-8"))["nodes"]:
            if node["type"] == "LoadReferenceVideo":
                name, wanted = (node["widgets_values_named"][key] for key in ("video", "frames"))
                clip = read_clip(CLIP_FOLDER / name.removeprefix("example: "))
                assert len(clip.frames) >= wanted, path.stem


def test_the_starters_graph_is_small_and_in_three_groups():
    graph = json.loads(GRAPHS[0].read_text(encoding="utf-8"))
    assert len(graph["nodes"]) <= 14
    assert [group["title"] for group in graph["groups"]] == ["1 load", "2 learn", "3 use"]
    assert any(node["type"] == "MarkdownNote" for node in graph["nodes"])


def test_the_graph_that_evaluates_is_small_and_in_three_groups():
    graph = json.loads(next(path for path in GRAPHS if path.stem.startswith("50")).read_text(encoding="utf-8"))
    assert len(graph["nodes"]) <= 20
    assert [group["title"] for group in graph["groups"]] == ["1 load", "2 make", "3 evaluate"]
    assert any(node["type"] == "MarkdownNote" for node in graph["nodes"])


def test_every_recipe_and_every_guidance_has_a_small_graph_on_the_starter():
    taught = {"TrainMotionAdapter": set(), "MotionGuidance": set()}
    for path in GRAPHS:
        graph = json.loads(path.read_text(encoding="utf-8"))
        for node in graph["nodes"]:
            if node["type"] in taught:
                chosen, preset, *_ = node["widgets_values"]
                assert path.stem.endswith(chosen) and preset == "starter" and len(graph["nodes"]) <= 24
                taught[node["type"]].add(chosen)
    assert taught == {"TrainMotionAdapter": {recipe.name for recipe in ADAPTER_RECIPES}, "MotionGuidance": set(METHODS)}


@pytest.mark.parametrize("path", GRAPHS, ids=NAMES)
def test_the_frontend_shows_it_with_nothing_missing(page, path, graph):
    browser.load(page, graph)
    dialogs = page.locator(browser.COMPLAINTS).all_inner_texts()
    assert not dialogs
    shown = page.evaluate("() => window.app.graph.serialize()")
    assert len(shown["links"]) == len(graph["links"])
    for before, after in zip(graph["nodes"], shown["nodes"], strict=True):
        assert before["type"] == after["type"]
        assert (before.get("widgets_values") or []) == (after.get("widgets_values") or [])
    assert browser.shoot(page, path.stem).stat().st_size > 10_000


@pytest.mark.parametrize("path", GRAPHS, ids=NAMES)
def test_it_runs_to_a_saved_video(page, host, graph, path):
    prompt = _shorten(page, graph)
    digest = _run(host, prompt)
    if path.stem.startswith(REPEATED):
        assert _run(host, prompt) == digest


def _shorten(page, graph):
    """The graph in API format, in few steps and a small size."""
    tracked = any(node["type"] == "TrackMotion" for node in graph["nodes"])
    if tracked and not has_opencv(find_host()):
        pytest.skip(HOW_TO_GET_OPENCV)
    browser.load(page, graph)
    prompt = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    quick = {**QUICK, "steps": STEPS_TO_TRACK} if tracked else QUICK
    for node in prompt.values():
        node["inputs"].update({name: value for name, value in quick.items() if name in node["inputs"]})
    for node in prompt.values():
        if _is_wan(prompt):
            node["inputs"].update({name: WAN_FRAMES for name in ("frames", "length") if _asks_for_many(node, name)})
    _complete_checkpoints(prompt)
    return prompt


def _is_wan(prompt) -> bool:
    return any(node["class_type"] in ("EmptyHunyuanLatentVideo", "WanImageToVideo") for node in prompt.values())


def _asks_for_many(node, name) -> bool:
    value = node["inputs"].get(name)
    return isinstance(value, int) and value > WAN_FRAMES


def _complete_checkpoints(prompt):
    """The stand-in for a checkpoint is a UNet alone; its text encoder and autoencoder are the starter model's. So is
    the text encoder in place of Wan's.
    """
    starter = {"class_type": "LoadVideoDiffusionModel", "inputs": {"model": graphs.STARTER, "dtype": "as stored"}}
    checkpoints = [name for name, node in prompt.items() if node["class_type"] == "CheckpointLoaderSimple"]
    for node in list(prompt.values()):
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] in checkpoints and value[1] > 0:
                prompt["starter"] = starter
                node["inputs"][name] = ["starter", value[1]]
            if isinstance(value, list) and prompt.get(value[0], {}).get("class_type") == "CLIPLoader":
                prompt["starter"] = starter
                node["inputs"][name] = ["starter", 1]


def _run(host, graph) -> str:
    """What the saved frames are, with nothing taken from an earlier run. (The host's h264 makes them other bytes.)"""
    host.forget()
    sink = next(node for node in graph.values() if node["class_type"] in ("CreateVideo", "SaveWEBM"))
    probed = {**graph, "probe": {"class_type": "ProbeDigest", "inputs": {"value": sink["inputs"]["images"]}}}
    outputs = host.wait(host.queue(probed))
    shown = [file for node in outputs.values() for file in node.get("images", []) if file["type"] == "output"]
    videos = [file for file in shown if file["filename"].endswith((".mp4", ".webm"))]
    assert len(videos) == 1
    frames = read_clip(Path(host.work, "output", videos[0]["subfolder"], videos[0]["filename"])).frames
    assert len(frames) == (WAN_FRAMES if _is_wan(graph) else 16)
    return outputs["probe"]["text"][0]
