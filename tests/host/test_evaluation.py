"""The evaluation nodes on a live host: what they say of clips whose motion is known, and of bad input."""

import re

import pytest
import torch
from torch.nn import functional as F

from motion_core.video.writing import write_clip
from tests.host import graphs
from tests.host.graphs import Graph, out, probe
from tests.host.live_host import HOW_TO_GET_OPENCV, Failed, Refused, find_host, has_opencv

FRAMES, SIDE = 8, 64


@pytest.fixture(scope="module")
def clips(host):
    """Videos of a texture in the host's input folder: one pans, one stands still, one has nothing in it."""
    coarse = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    texture = F.interpolate(coarse, (96, 96), mode="bicubic").clamp(0, 1)[0].permute(1, 2, 0)
    steps = {"pan": 3, "still": 0}
    made = {
        name: torch.stack([texture[16 : 16 + SIDE, step * n : step * n + SIDE] for n in range(FRAMES)])
        for name, step in steps.items()
    }
    made["blank"] = torch.full((FRAMES, SIDE, SIDE, 3), 0.5)
    for name, frames in made.items():
        write_clip(host.work / "input" / f"{name}.mp4", frames, 8.0)


@pytest.fixture
def tracker(clips):
    if not has_opencv(find_host()):
        pytest.skip(HOW_TO_GET_OPENCV)


def load(graph, name, **changes):
    return out(graphs.load_clip(graph, video=f"{name}.mp4", frames=FRAMES, **changes))


def track(graph, images, **changes):
    return graph.add("TrackMotion", images=images, **{"tracker": "auto", "spacing": 0, **changes})


def say(graph, value):
    """A node that says a FLOAT, INT or STRING to the last digit."""
    return graph.add("PreviewAny", source=value)


def refusal(host, graph) -> str:
    with pytest.raises((Failed, Refused)) as caught:
        host.run(graph)
    return str(caught.value.message)


def picture_size(node, shown) -> tuple[str, int, int]:
    return re.match(r"\((\d+), (\d+), (\d+), 3\)", shown[node]).groups()


# ---- motion


@pytest.mark.parametrize(
    "first, second, fidelity",
    [(("pan", False), ("pan", False), 1), (("pan", False), ("pan", True), -1), (("still", False), ("pan", False), 0),
     (("still", False), ("still", False), 0)],
)  # fmt: skip
def test_fidelity_of_known_motions(host, tracker, first, second, fidelity):
    graph = Graph()
    tracks = [out(track(graph, load(graph, name, reversed=turned))) for name, turned in (first, second)]
    measured = graph.add("MotionFidelity", reference=tracks[0], result=tracks[1], still=0.25)
    nodes = [say(graph, out(measured, number)) for number in range(3)]
    shown = host.run(graph)
    results = [float(shown[node]) for node in nodes]
    assert results[0] == pytest.approx(fidelity, abs=0.02) and results[1] == pytest.approx(2 * results[0])
    assert (results[2] == 0) == (first == second)
    word = {1: "the same motion", -1: "the opposite motion"}.get(
        fidelity, "stands still" if first != second else "both"
    )
    assert shown[measured].startswith(f"motion fidelity {results[0]:.2f}: ".replace("-0.00", "0.00"))
    assert word in shown[measured].splitlines()[0] and "nan" not in shown[measured]
    host.forget()
    assert host.run(graph) == shown


def test_tracks_are_counted_and_drawn(host, tracker):
    graph = Graph()
    few, many = (track(graph, load(graph, "pan"), spacing=spacing) for spacing in (16, 4))
    counts = [say(graph, out(node, 2)) for node in (few, many)]
    drawn = [graph.add("ProbeNumbers", value=out(node, 1)) for node in (few, many)]
    number = host.queue(graph)
    outputs = host.wait(number)
    first, second = (int(outputs[node]["text"][0]) for node in counts)
    assert 1 <= first <= 16 < second <= 256
    for node in drawn:
        frames, height, width = map(int, picture_size(node, {node: outputs[node]["text"][0]}))
        assert frames == FRAMES and width == 4 * SIDE < height  # small frames are enlarged, and the time stands above
    assert outputs[few]["images"][0]["filename"].endswith(".mp4")


def test_tracking_runs_with_nothing_after_it(host, tracker):
    graph = Graph()
    node = track(graph, load(graph, "pan"))
    assert host.wait(host.queue(graph))[node]["images"]


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"spacing": -1}, "spacing"),
        ({"spacing": 5000}, "spacing"),
        ({"tracker": "eyes"}, "tracker"),
        ({"tracker": "raft"}, "RAFT's weights are not at"),
        ({"tracker": "cotracker"}, "CoTracker's weights are not at"),
        ({"weights": "raft.pth"}, "raft.pth is not in"),
        ({"weights": "../secret.pth"}, "no name in its folder"),
        ({"weights": "/etc/passwd"}, "no name in its folder"),
    ],
)
def test_tracking_that_cannot_be(host, tracker, changes, says):
    graph = Graph()
    track(graph, load(graph, "pan"), **changes)
    assert says in refusal(host, graph)


def test_damaged_weights_are_refused(host, tracker):
    folder = host.work / "models" / "motion_tracking"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "damaged.pth").write_bytes(b"nothing")
    graph = Graph()
    track(graph, load(graph, "pan"), tracker="raft", weights="damaged.pth")
    results = refusal(host, graph)
    assert (
        "damaged.pth is damaged or no file of RAFT's weights" in results
        or "torchvision could not be imported" in results
    )
    known = host.ask("/object_info/TrackMotion")["TrackMotion"]["input"]["optional"]["weights"]
    assert "damaged.pth" in str(known)


def test_clips_that_have_no_tracks(host, tracker):
    graph = Graph()
    track(graph, load(graph, "blank"))
    assert "no point could be followed" in refusal(host, graph)
    graph = Graph()
    one = out(graph.add("ImageFromBatch", image=load(graph, "pan"), batch_index=0, length=1))
    track(graph, one)
    assert "give 2 or more" in refusal(host, graph)


def test_fidelity_of_what_cannot_be_compared(host, tracker):
    graph = Graph()
    whole = load(graph, "pan")
    part = out(graph.add("ImageFromBatch", image=whole, batch_index=0, length=4))
    tracks = [out(track(graph, images)) for images in (whole, part)]
    graph.add("MotionFidelity", reference=tracks[0], result=tracks[1], still=0.25)
    assert "last 8 and 4 frames" in refusal(host, graph)
    for still in (-1.0, 1e9):
        graph = Graph()
        tracks = out(track(graph, load(graph, "pan")))
        graph.add("MotionFidelity", reference=tracks, result=tracks, still=still)
        assert "still" in refusal(host, graph)


# ---- CLIP


def clip_pair(graph, width=32, projection=1.0):
    return {
        "clip_vision": out(graph.add("ProbePictureHalf", width=width)),
        "clip": out(graph.add("ProbeTextHalf", projection=projection)),
    }


def test_text_similarity_takes_the_projected_prompt(host, clips):
    results = {}
    for projection, prompt in ((1.0, "a pan"), (-1.0, "a pan"), (1.0, "a zebra, (grazing:1.3)")):
        graph = Graph()
        pair = clip_pair(graph, projection=projection)
        node = graph.add("TextSimilarity", images=load(graph, "pan"), prompt=prompt, **pair)
        exact = say(graph, out(node))
        shown = host.run(graph)
        results[projection, prompt] = float(shown[exact])
        assert shown[node].startswith("text similarity: ")
    plain, turned, other = results.values()
    assert -1 <= plain <= 1 and plain == pytest.approx(-turned, abs=1e-6) and plain != other


def test_the_clip_is_left_as_it_was(host, clips):
    results = []
    for scored in (False, True):
        host.forget()
        graph = Graph()
        pair = clip_pair(graph)
        if scored:
            graph.add("TextSimilarity", images=load(graph, "pan"), prompt="a pan", **pair)
            host.run(graph)
        node = probe(graph, out(graph.add("CLIPTextEncode", clip=pair["clip"], text="a pan")))
        results.append(host.run(graph)[node])
    assert results[0] == results[1]


def test_consistency_of_still_and_moving_clips(host, clips):
    results = {}
    for name in ("still", "pan"):
        graph = Graph()
        vision = out(graph.add("ProbePictureHalf", width=32))
        node = graph.add("TemporalConsistency", images=load(graph, name), clip_vision=vision)
        nodes = [say(graph, out(node, number)) for number in range(2)]
        shown = host.run(graph)
        results[name] = [float(shown[each]) for each in nodes]
    assert results["still"] == pytest.approx([1, 1], abs=1e-3)
    assert results["pan"][0] < results["pan"][1] < 1


def test_a_clip_that_does_not_fit(host, clips):
    for pair, says in (({"width": 48}, "48 wide and the CLIP's 32"), ({"projection": 0.0}, "no projected feature")):
        graph = Graph()
        graph.add("TextSimilarity", images=load(graph, "pan"), prompt="a pan", **clip_pair(graph, **pair))
        assert says in refusal(host, graph)
    graph = Graph()
    model = graph.add("LoadVideoDiffusionModel", model=graphs.STARTER, dtype="as stored")
    pair = {**clip_pair(graph), "clip": out(model, 1)}
    graph.add("TextSimilarity", images=load(graph, "pan"), prompt="a pan", **pair)
    assert "two halves of one CLIP" in refusal(host, graph)
    graph = Graph()
    one = out(graph.add("ImageFromBatch", image=load(graph, "pan"), batch_index=0, length=1))
    graph.add("TemporalConsistency", images=one, clip_vision=out(graph.add("ProbePictureHalf", width=32)))
    assert "2 or more" in refusal(host, graph)


# ---- pictures


def test_videos_are_compared_side_by_side(host, clips):
    graph = Graph()
    pan, still = load(graph, "pan"), load(graph, "still")
    short = out(graph.add("ImageFromBatch", image=pan, batch_index=0, length=3))
    two = graph.add("CompareVideos", images_1=pan, images_2=still)
    four = graph.add("CompareVideos", images_1=pan, images_2=still, images_3=short, images_4=still, label_4="the end")
    sizes = [graph.add("ProbeNumbers", value=out(node)) for node in (two, four)]
    outputs = host.wait(host.queue(graph))
    (_, height, width), (frames, tall, wide) = (
        map(int, picture_size(node, {node: outputs[node]["text"][0]})) for node in sizes
    )
    assert frames == FRAMES and 4 * SIDE < height < tall < 6 * SIDE and wide > width > 8 * SIDE
    assert not height % 2 and not width % 2
    assert outputs[two]["images"][0]["filename"].endswith(".mp4")


def test_labels_that_two_clips_have(host, clips):
    for kind, inputs in (("CompareVideos", ("images_1", "images_2")), ("MotionReport", ("reference", "result_1"))):
        graph = Graph()
        pan = load(graph, "pan")
        label = {"label_1": "result"} if kind == "CompareVideos" else {"label_1": "reference"}
        graph.add(kind, **dict.fromkeys(inputs, pan), **label)
        assert "two clips are called" in refusal(host, graph)


def test_a_report_shows_clips_tracks_and_numbers(host, tracker):
    graph = Graph()
    pan, turned = load(graph, "pan"), load(graph, "pan", reversed=True)
    tracks, back = (out(track(graph, images)) for images in (pan, turned))
    bare = graph.add("MotionReport", reference=pan, result_1=pan)
    score = out(graph.add("TemporalConsistency", images=pan, clip_vision=out(graph.add("ProbePictureHalf", width=32))))
    full = graph.add(
        "MotionReport", reference=pan, reference_tracks=tracks, result_1=pan, tracks_1=tracks, label_1="the same",
        result_2=turned, tracks_2=back, result_3=pan, temporal_consistency=score,
    )  # fmt: skip
    results = [say(graph, out(node, 1)) for node in (bare, full)]
    sizes = [graph.add("ProbeNumbers", value=out(node)) for node in (bare, full)]
    outputs = host.wait(host.queue(graph))
    none, numbers = (outputs[node]["text"][0] for node in results)
    assert none == ""
    lines = dict(line.split(": ") for line in numbers.splitlines())
    assert list(lines)[::2] == ["fidelity of the same", "fidelity of result 2", "temporal consistency"]
    assert float(lines["fidelity of the same"]) == 1 and float(lines["fidelity of result 2"]) < -0.98
    assert outputs[full]["text"][0] == numbers and outputs[full]["images"][0]["filename"].endswith(".png")
    (one, short, _), (_, tall, _) = (map(int, picture_size(node, {node: outputs[node]["text"][0]})) for node in sizes)
    assert one == 1 and short > 2 * 4 * SIDE and tall > 4 * 4 * SIDE


def test_a_report_compares_clips_of_other_sizes_and_two_frames(host, tracker):
    graph = Graph()
    pan, large = (
        out(graph.add("ImageFromBatch", image=load(graph, "pan", width=side, height=side), batch_index=0, length=2))
        for side in (64, 128)
    )
    tracks = [out(track(graph, images)) for images in (pan, large)]
    node = graph.add("MotionReport", reference=pan, reference_tracks=tracks[0], result_1=large, tracks_1=tracks[1])
    size = graph.add("ProbeNumbers", value=out(node))
    shown = host.run(graph)
    assert float(shown[node].splitlines()[0].removeprefix("fidelity of result: ")) > 0.9
    _, height, width = map(int, picture_size(size, shown))
    assert 512 < width < 600 and height > 512


def test_a_report_of_clips_of_other_lengths_needs_no_tracks(host, clips):
    graph = Graph()
    pan = load(graph, "pan")
    part = out(graph.add("ImageFromBatch", image=pan, batch_index=0, length=3))
    node = graph.add("MotionReport", reference=pan, result_1=part)
    assert host.run(graph)[node] == ""


def test_a_report_of_tracks_of_other_lengths(host, tracker):
    graph = Graph()
    pan = load(graph, "pan")
    part = out(graph.add("ImageFromBatch", image=pan, batch_index=0, length=4))
    tracks = [out(track(graph, images)) for images in (pan, part)]
    graph.add("MotionReport", reference=pan, reference_tracks=tracks[0], result_1=part, tracks_1=tracks[1])
    assert "last 8 and 4 frames; compare clips of the same length" in refusal(host, graph)


def test_tracks_of_another_clip_in_a_report(host, tracker):
    graph = Graph()
    pan = load(graph, "pan")
    part = out(graph.add("ImageFromBatch", image=pan, batch_index=0, length=4))
    graph.add("MotionReport", reference=pan, reference_tracks=out(track(graph, part)), result_1=pan)
    assert "don't fit 8 frames" in refusal(host, graph)
