import pytest
import torch

from benchmarks import attention, combinations, convergence, counting, jitter, learning, loops, machine, token_reach
from benchmarks.variants import OFFICIAL
from motion_core.evaluation.material.synthetic import Synthetic
from motion_core.models.zeroscope.loading import load_model
from motion_core.motions.embedding import MotionEmbedding
from motion_core.starter.folder import MOTION_FOLDER, find_starter
from motion_core.starter.paths import HELD_OUT

TINY = "--divisor 10 --size 8 8 --frames 2 --rounds 1 --steps 2"


def list_rows(text):
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]


def test_the_learning_benchmark_prints_its_table(capsys):
    learning.main([*TINY.split(), "--modes", "fast", "--extras", "channels_last"])
    printed = capsys.readouterr().out
    rows = list_rows(printed)
    names = [OFFICIAL, "`fast`", "`fast`, fast_kernels", "`fast`, fast_kernels, channels last"]
    assert [row[0] for row in rows[2:]] == names
    assert "0.0e+00" in rows[3][5]  # the official step's gradient, to the last bit
    assert torch.__version__ in printed


def test_peaks_are_found_by_the_whole_name(monkeypatch):
    cuda = torch.device("cuda")
    for name, peak in {"NVIDIA H100 PCIe": 756, "NVIDIA H100 80GB HBM3": 989, "NVIDIA X": None}.items():
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _, name=name: name)
        assert machine.find_peak(cuda) == peak


def test_the_convergence_benchmark_prints_its_table(capsys):
    convergence.main(["--clips", "hops", "--limit", "2"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0].strip("| ") for row in rows[2:]] == [plan.variant.name for plan in convergence.PLANS]
    assert rows[2].split(" | ")[1:4:2] == ["2", "1"]  # the official way reaches its own end, in its own time


def test_counting_needs_no_numbers(capsys):
    counting.main(["--model", "zeroscope", "--divisor", "10", "--frames", "2", "--size", "8", "8"])
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[2:-1]] == [variant.name for variant in counting.VARIANTS]
    less = {row[0]: float(row[2]) for row in rows[2:-1]}
    assert 1 <= less["`low`"] < less["`balanced`"] < less["`fast`"]


def test_every_kernel_of_attention_is_tried(monkeypatch, capsys):
    monkeypatch.setattr(attention, "SHAPES", {"a model": ((3, 2, 8),)})
    attention.main(["--frames", "4", "--rounds", "2"])
    message = capsys.readouterr().out
    head, _, row = (line.strip("| ").split(" | ") for line in message.splitlines()[:3])
    assert head[1:] == [attention.CHOICE, *attention.KERNELS]
    times = dict(zip(head, row, strict=False))
    assert times["flash"].endswith(" ms") and times["plain products"].endswith(" ms") and not times["cuDNN"]


def test_other_looks_reach_the_layers_along_time_more_than_a_token_does():
    model = load_model(find_starter())
    shown = Synthetic(("heart", "hook")).reference("heart")
    clip, own = model.encode(shown.clip.frames), shown.caption
    none, token, looks = (
        token_reach.measure_change(model, clip, (own, other), 800)
        for other in (own, f"a V*, {own}", "a green cross on a striped gray ground")
    )
    assert none == 0 < token < looks / 4


def test_motions_are_joined_in_time():
    first, second = (MotionEmbedding.load(MOTION_FOLDER / "figure_eight.safetensors") for _ in range(2))
    second = second.map(torch.zeros_like)
    joined = combinations.join(first, second)
    assert joined.frames == first.frames
    half = first.frames // 2
    for name, qk in joined.qk.items():
        assert torch.equal(qk[:, :half], first.resized(half).qk[name]) and not qk[:, half:].any()


def test_an_error_at_each_frame_costs_fidelity(capsys):
    assert jitter.measure_ceiling("hops", 0.0) == pytest.approx(1)
    assert 1 > jitter.measure_ceiling("hops", 1.0) > jitter.measure_ceiling("hops", 2.0)
    jitter.main([])
    assert [row[0] for row in list_rows(capsys.readouterr().out)[2:]] == [*HELD_OUT, "mean"]


def test_a_rotated_model_gets_other_frames_at_each_step_and_answers_for_the_old_ones():
    seen = []

    class Model:
        def predict(self, z, t, conditions):
            seen.append(z[0, 0, :, 0, 0].tolist())
            return z * 2

    rotated = loops.RotatingDenoiser(Model(), None)
    z = torch.arange(5.0).view(1, 1, 5, 1, 1)
    for level in (900, 800, 900):
        assert torch.equal(rotated.predict(z, torch.tensor([level]), [None]), z * 2)
    assert seen == [[0, 1, 2, 3, 4], [2, 3, 4, 0, 1], [0, 1, 2, 3, 4]]


def test_a_path_that_closes_has_no_way_at_its_seam():
    still = torch.zeros(4, 64, 64, 3)
    frames = torch.stack([still[0]] * 5)
    for number, column in enumerate((10, 20, 30, 20, 10)):
        frames[number, 20:40, column : column + 20, 0] = 1
    scores = loops.score(frames, torch.tensor([(20.0 + 10 * x, 30.0) for x in (0, 1, 2, 1, 0)]))
    assert scores["way"] == pytest.approx(0, abs=0.1) and scores["change"] == 0
