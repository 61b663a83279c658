"""An evaluation that was interrupted goes on; one with other settings or weights starts anew."""

import json
import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest
import torch

from motion_core.commands.main import main
from motion_core.errors import FileError, ModelError, MotionError, OptionError, VideoError
from motion_core.evaluation.cache import MotionCache, fingerprint
from motion_core.evaluation.cost import measured
from motion_core.evaluation.jobs import EvaluationJob, JobRunner
from motion_core.evaluation.material.filmed import Filmed
from motion_core.evaluation.material.synthetic import Synthetic, draw_appearance, redraw, render_reference, score_clip
from motion_core.evaluation.result import Result
from motion_core.evaluation.results import Results
from motion_core.evaluation.runner import evaluate
from motion_core.evaluation.suite import SHIPPED, parse_suite, read_suite
from motion_core.evaluation.table import write_table
from motion_core.motions.embedding import MotionEmbedding
from motion_core.video.frames.options import ClipOptions
from motion_core.video.writing import write_clip

TINY = {
    "name": "tiny",
    "material": {"kind": "synthetic", "clips": ["hops", "spiral"]},
    "seeds": 2,
    "batch": 2,
    "sampling": {"steps": 2, "guidance": 6.0},
    "methods": [
        {"name": "base"},
        {"name": "embedding", "learn": {"recipe": "motion_inversion", "steps": 1, "colourings": 1}},
        {"name": "adapter backwards", "learn": {"recipe": "vmc", "steps": 1}, "backwards": True},
    ],
}


def scores_of(folder: Path) -> list[tuple]:
    """What must be the same however often it was interrupted."""
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    return sorted((line["key"], line["method"], line["take"], tuple(line["scores"].values())) for line in lines)


def score_table(folder: Path) -> str:
    return (folder / "table.md").read_text(encoding="utf-8").partition("What it took")[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The tiny suite, run in one go."""
    folder = tmp_path_factory.mktemp("whole")
    evaluate(parse_suite(TINY, "tiny"), folder)
    return folder


def never():
    raise AssertionError("learnt again")


def test_motions_are_measured_as_a_file_holds_them(tmp_path, learnt):
    cache = MotionCache(tmp_path, "weights")
    first, cost = cache.motion("hops", {"steps": 3}, lambda: learnt)
    again, kept_cost = cache.motion("hops", {"steps": 3}, never)
    assert isinstance(again, MotionEmbedding) and kept_cost == cost and cost.seconds >= 0
    assert all(torch.equal(a, b) for a, b in zip(first.parameters, again.parameters, strict=True))
    for other, name, settings in (
        (cache, "hops", {"steps": 4}),
        (cache, "spiral", {"steps": 3}),
        (MotionCache(tmp_path, "retrained"), "hops", {"steps": 3}),
    ):
        with pytest.raises(AssertionError, match="again"):
            other.motion(name, settings, never)


def test_a_fingerprint_is_of_the_weights():
    first, second = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    assert fingerprint(first) != fingerprint(second)
    second.load_state_dict(first.state_dict())
    assert fingerprint(first) == fingerprint(second) != fingerprint(first, first)


def test_a_peak_of_memory_is_noticed():
    with measured() as cost:
        held = torch.ones(64, 2**20)
    del held
    with measured() as less:
        pass
    assert cost.seconds > 0 and (cost.peak == 0 or cost.peak > less.peak + 100)


def test_memory_cached_by_the_allocator_is_not_counted():
    held = [torch.ones(2**14) for _ in range(4096)]  # small enough to come from the heap
    with measured() as cost:
        pass
    del held
    with measured() as less:
        pass
    assert cost.peak == 0 or cost.peak > less.peak + 100


def test_an_evaluation_writes_what_it_promises(whole):
    results = [json.loads(line) for line in (whole / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(results) == 3 * 2 * 2
    assert {result["clip"] for result in results} == {"hops", "spiral"}
    table = (whole / "table.md").read_text(encoding="utf-8")
    assert all(f"| {method['name']} |" in table for method in TINY["methods"])
    assert "motion fidelity" in table and "seconds to learn" in table
    assert {path.stem for path in (whole / "sheets").iterdir()} == {"hops", "spiral"}
    learnt = [result["learnt"] for result in results if result["method"] != "base"]
    assert all(cost["seconds"] > 0 for cost in learnt)


def test_cut_off_anywhere_it_goes_on_to_the_same_table(whole, tmp_path, monkeypatch):
    kept = (whole / "results.jsonl").read_bytes()
    first = kept.index(b"\n") + 1
    made = []
    import motion_core.evaluation.jobs as jobs

    sample = jobs.JobRunner.sample
    monkeypatch.setattr(jobs.JobRunner, "sample", lambda self, *args: made.append(args[0]) or sample(self, *args))
    for end, wanted in ((len(kept), 0), (len(kept) - 7, 1), (first + 30, 6)):  # whole, a torn line, half a cell
        folder = tmp_path / str(end)
        folder.mkdir()
        (folder / "results.jsonl").write_bytes(kept[:end])
        made.clear()
        evaluate(parse_suite(TINY, "tiny"), folder)
        assert len(made) == wanted
        assert score_table(folder) == score_table(whole)
        assert set(scores_of(folder)) == set(scores_of(whole))


def test_other_settings_are_other_cells(whole, tmp_path):
    (tmp_path / "results.jsonl").write_bytes((whole / "results.jsonl").read_bytes())
    suite = parse_suite({**TINY, "sampling": {"steps": 1}, "methods": TINY["methods"][:1]}, "tiny")
    evaluate(suite, tmp_path)
    assert len((tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()) == 12 + 4


def test_a_method_may_be_renamed_and_stand_twice(whole, tmp_path):
    kept = (whole / "results.jsonl").read_bytes()
    (tmp_path / "results.jsonl").write_bytes(kept)
    renamed = [{**method, "name": name} for name in ("one", "two") for method in TINY["methods"][:1]]
    table = evaluate(parse_suite({**TINY, "methods": renamed}, "tiny"), tmp_path)
    base = next(line for line in score_table(whole).splitlines() if line.startswith("| base |"))
    assert [base.replace("base", name) in table for name in ("one", "two")] == [True, True]
    assert (tmp_path / "results.jsonl").read_bytes() == kept


def test_the_cache_survives_a_torn_line(tmp_path):
    kept = Results(tmp_path)
    first, second = (Result(key, "m", "c", 0, "p", {"fidelity": 0.5}, 1.0) for key in ("a", "b"))
    kept.add([first])
    with kept.path.open("a", encoding="utf-8", newline="\n") as file:
        file.write('{"key": "b", "meth')
    kept.add([second])
    assert kept.read({"a": 1, "b": 1}) == [first, second]
    assert kept.read({"a": 2}) == [] and kept.read({}) == []  # half a cell is none


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a worker is found by Linux's list of processes")
def test_two_workers_of_ray_give_the_same_table_though_one_is_lost(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed; pip install ray")
    suite = parse_suite({**TINY, "seeds": 1, "methods": TINY["methods"][:2]}, "tiny")
    killed: list[int] = []
    done = Event()
    Thread(target=kill_a_worker, args=[killed, done], daemon=True).start()
    threads = torch.get_num_threads()
    try:
        evaluate(suite, tmp_path / "two", workers=2)
    finally:
        done.set()
    torch.set_num_threads(max(1, threads // 2))  # what each of two workers had: sums depend on it in the last digits
    try:
        evaluate(suite, tmp_path / "here")
    finally:
        torch.set_num_threads(threads)
    assert killed
    assert scores_of(tmp_path / "two") == scores_of(tmp_path / "here")


def kill_a_worker(killed: list[int], done: Event) -> None:
    """The first process of Ray that is seen at work on a job."""
    while not done.wait(0.05):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if path.read_bytes().startswith(b"ray::run_job"):
                    killed.append(int(path.parent.name))
                    os.kill(killed[0], signal.SIGKILL)
                    return


def test_an_error_on_a_worker_is_raised_here(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed; pip install ray")
    from motion_core.evaluation.ray_workers import work_on_ray

    with pytest.raises(OptionError, match="no clip is called"):
        suite = parse_suite({**TINY, "material": {"kind": "synthetic"}}, "tiny")
        list(work_on_ray(suite, tmp_path, [EvaluationJob("no such path", ("base",))], done=frozenset(), workers=1))


def test_without_ray_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ModelError, match="Ray is not installed"):
        evaluate(parse_suite(TINY, "tiny"), tmp_path, workers=2)


def test_a_perfect_transfer_scores_so_and_backwards_too():
    reference = render_reference("hops")
    looks = draw_appearance(reference, 0)
    made = redraw(reference, 0)
    scores = score_clip(made, reference, *looks)
    assert scores["fidelity"] > 0.95 and scores["position_error"] < 2 and scores["appearance"] > 0.9
    assert score_clip(made.flip(0), reference, *looks, backwards=True)["fidelity"] == pytest.approx(scores["fidelity"])
    turned = score_clip(made.flip(0), reference, *looks)
    assert turned["fidelity"] < 0.5


def test_a_clip_has_as_many_frames_as_the_suite_says():
    short, long = Synthetic(("hops",)), Synthetic.of(("hops",), frames=33)
    assert [len(each.reference("hops").clip.frames) for each in (short, long)] == [16, 33]
    ends = [each.reference("hops").clip.frames[[0, -1]] for each in (short, long)]
    assert torch.equal(*ends)  # the same path at another speed


def test_backwards_a_reference_is_its_own_reverse():
    material = Synthetic(("hops",))
    there, back = (material.reference("hops", backwards=way).clip.frames for way in (False, True))
    assert torch.equal(there.flip(0), back)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_suites_that_ship_are_read(path):
    suite = read_suite(Path(path.stem))
    assert suite.name == path.stem and suite.about
    for method in suite.methods:
        assert suite.initial_noise(method)["method"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"methods": []}, "has no methods"),
        ({"methods": "all"}, "is no suite"),
        ({"methods": [3]}, "method 1 of it is 3"),
        ({"methods": [{"name": "a"}, {"name": "a"}]}, "two methods are called 'a'"),
        ({"methods": [{"learn": {}}]}, "has no name"),
        ({"methods": [{"name": "a", "lern": {}}]}, "has 'lern'"),
        ({"methods": [{"name": "a", "learn": {"recipe": "magic"}}]}, "recipe is 'magic'"),
        ({"methods": [{"name": "a", "learn": {"recipe": "vmc", "stepps": 3}}]}, "stepps"),
        ({"methods": [{"name": "a", "learn": {"recipe": "vmc", "timesteps": "late"}}]}, "timesteps is 'late'"),
        ({"methods": [{"name": "a", "steer": {"method": "magic"}}]}, "method is 'magic'"),
        ({"methods": [{"name": "a", "steer": {"method": "dmt", "weigth": 1}}]}, "weigth is 1, and dmt has no"),
        ({"methods": [{"name": "a", "noise": "loud"}]}, "is 'loud'"),
        ({"methods": [{"name": "a", "learn": {"recipe": "vmc"}, "steer": {"method": "dmt"}}]}, "both learns and"),
        ({"material": {"kind": "painted"}}, "the kind 'painted'"),
        ({"material": {"kind": "synthetic", "clips": ["nowhere"]}}, "clips are"),
        ({"material": {"kind": "synthetic", "colour": 1}}, "can't be made of this"),
        ({"seeds": 0}, "seeds is 0"),
        ({"sampling": {"seps": 2}}, "sampling has no 'seps'"),
        ({"sampling": {"steps": 0}}, "steps is 0"),
        ({"control": "nobody"}, "control is 'nobody'"),
        ({"published": 3, "extra": 1}, "has 'extra'"),
    ],
)
def test_a_suite_that_cannot_be_run_says_why(changes, says, tmp_path):
    with pytest.raises(MotionError, match=says):
        evaluate(parse_suite({**TINY, **changes}, "it"), tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_suite_that_cannot_be_read_says_why(tmp_path, capsys):
    with pytest.raises(FileError, match="is not there; give a suite file, or one of"):
        read_suite(tmp_path / "nothing.yaml")
    (tmp_path / "torn.yaml").write_text("name: [", encoding="utf-8")
    with pytest.raises(FileError, match="can't be read as YAML"):
        read_suite(tmp_path / "torn.yaml")
    assert main(["evaluate", "starter", "--methods", "magic", "--out", str(tmp_path / "out")]) == 1
    assert "no method's name contains 'magic'" in capsys.readouterr().err


def test_filmed_clips_are_read_with_their_captions(tmp_path):
    drawn = render_reference("hops").clip
    write_clip(tmp_path / "hop.mp4", drawn.frames, 8.0)
    with pytest.raises(VideoError, match="hop.mp4 has no caption"):
        make_filmed(tmp_path).reference("hop")
    (tmp_path / "hop.txt").write_text("a square hops\n", encoding="utf-8")
    with pytest.raises(VideoError, match="has no prompts"):
        make_filmed(tmp_path).samples("hop", 2)
    (tmp_path / "hop.txt").write_text("a square hops\n\na ball hops\na cross hops\n", encoding="utf-8")
    material = make_filmed(tmp_path)
    assert material.reference("hop").caption == "a square hops" and list(material.names) == ["hop"]
    samples = material.samples("hop", 2)
    assert [each.prompt for each in samples] == ["a ball hops"] * 2 + ["a cross hops"] * 2
    assert len({each.noise for each in samples}) == 4
    seen = material.reference("hop").clip.frames
    same, turned = (material.score("hop", samples[0], frames)["fidelity"] for frames in (seen, seen.flip(0)))
    assert same > 0.5 > turned
    with pytest.raises(VideoError, match="holds no clips"):
        make_filmed(tmp_path / "none").names  # noqa: B018


def test_filmed_clips_are_evaluated(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("motion_core.evaluation.material.filmed.find_tracker", lambda *_, **__: Middle())
    clips = tmp_path / "clips"
    clips.mkdir()
    write_clip(clips / "hop.mp4", render_reference("hops").clip.frames, 8.0)
    (clips / "hop.txt").write_text("a square hops\na red ball hops\n", encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nmaterial: {kind: filmed, width: 64, height: 64}\nsampling: {steps: 2}\ncontrol: base\n"
        "methods: [{name: base}, {name: DMT, steer: {method: dmt, optimisation_steps: 1}}]",
        encoding="utf-8",
    )
    out = tmp_path / "out"
    assert main(["evaluate", str(tmp_path / "mine.yaml"), "--folder", str(clips), "--out", str(out)]) == 0
    message = capsys.readouterr().out
    assert "motion discrepancy" in message and "leakage" not in message and f"wrote {out}" in message
    assert main(["evaluate", str(tmp_path / "mine.yaml"), "--folder", str(tmp_path), "--out", str(out)]) == 1
    assert "holds no clips" in capsys.readouterr().err


class Middle:
    """Follows the brightest place, so that no package is needed."""

    def track(self, frames):
        flat = frames.mean(-1).flatten(1)
        places = flat.argmax(1)
        width = frames.shape[2]
        return torch.stack([places % width, places // width], -1).float()[None]


def make_filmed(folder):
    return Filmed(folder, ClipOptions(16, width=64, height=64), Middle())


def test_leakage_is_likeness_beyond_the_controls():
    suite = replace(parse_suite(TINY, "tiny"), control="base", published={"embedding": {"fidelity": 0.95}})
    results = [
        Result("k1", "base", "hops", 0, "p", {"fidelity": 0.0, "likeness": 0.5}, 1.0),
        Result("k2", "embedding", "hops", 0, "p", {"fidelity": 1.0, "likeness": 0.75}, 1.0, {"seconds": 3, "peak": 9}),
    ]
    table = write_table(suite, {"fidelity": "motion fidelity", "likeness": "likeness"}, results)
    assert "| embedding | 1.00 (0.00) [0.95] | 0.75 (0.00) | 0.25 (0.00) |" in table
    assert "| base | 0.00 (0.00) | 0.50 (0.00) | 0.00 (0.00) |" in table
    assert "| adapter backwards | - | - | - |" in table
    assert "states of the code" not in table
    older = replace(results[0], code="0123456789ab")
    assert "Made by 2 states of the code;" in write_table(suite, {"fidelity": "fidelity"}, [older, results[1]])


def test_new_clips_may_be_longer_than_the_reference(tmp_path):
    methods = [{"name": "longer", "frames": 20, "noise": "inversion", "prompt": "{} V*"}]
    runner = JobRunner(parse_suite({**TINY, "seeds": 1, "methods": methods}, "tiny"), tmp_path)
    ((_, method, samples),) = runner.cells(EvaluationJob("hops", ("longer",)))
    assert samples[0].prompt.endswith(" V*")
    (frames,) = runner.sample("hops", method, samples, None)
    assert len(frames) == 20 and set(runner.material.score("hops", samples[0], frames)) >= {"fidelity"}
