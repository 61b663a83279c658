"""Gains over another row, and the lines that rows are to reach."""

import pytest

from motion_core.errors import OptionError
from motion_core.evaluation.lines import measure_gain, measure_line
from motion_core.evaluation.result import Result
from motion_core.evaluation.suite import parse_suite
from motion_core.evaluation.table import write_table

SUITE = {"name": "tiny", "material": {"kind": "synthetic", "clips": ["hops"]}}


def result(method: str, clip: str, take: int, fidelity: float, seconds: float = 1.0) -> Result:
    return Result(f"{method} {clip}", method, clip, take, "", {"fidelity": fidelity}, seconds)


def test_a_gain_is_measured_clip_by_clip():
    start = [result("a", clip, take, 0.1) for clip in "xy" for take in (0, 1)]
    made = [result("b", "x", 0, 0.5), result("b", "x", 1, 0.3), result("b", "y", 0, 0.9), result("b", "y", 1, 0.9)]
    gain = measure_gain(made, start)
    assert gain is not None and gain.value == pytest.approx(0.55)
    assert gain.error == pytest.approx(0.25)  # of two clips, whose means are 0.3 and 0.8
    one = measure_gain(made[:2], start)
    assert one is not None and one.error == pytest.approx(0.1)  # of two takes
    assert measure_gain(made, []) is None


def test_lines_say_what_is_reached():
    start = [result("a", "x", take, 0.1, seconds=2.0) for take in range(2)]
    made = [result("b", "x", take, 0.4, seconds=7.0) for take in range(2)]
    reached = {"fidelity": 0.4, "gain": 0.25, "within": 0.35, "times": 4}
    missed = {"fidelity": 0.41, "gain": 0.35, "within": 0.25, "times": 3}
    for lines, expected in ((reached, True), (missed, False)):
        for what, line in lines.items():
            found = measure_line(what, line, made, start)
            assert found is not None and found[1] is expected, what
    assert measure_line("learning", 50, made, start) is None


def test_the_table_has_gains_and_lines():
    methods = [{"name": "a"}, {"name": "b", "over": "a", "lines": {"gain": 0.25, "fidelity": 0.9}}]
    suite = parse_suite({**SUITE, "methods": methods, "tuned_on": ["heart"]}, "tiny")
    results = [result(name, "hops", take, value) for name, value in (("a", 0.1), ("b", 0.4)) for take in (0, 1)]
    table = write_table(suite, {"fidelity": "motion fidelity"}, results)
    assert "| b | 0.40 (0.00) | a | +0.30 (0.00) |" in table
    assert "| b | gain in motion fidelity of at least 0.25 (beside a) | 0.30 | yes |" in table
    assert "| b | motion fidelity of at least 0.9 | 0.40 | no |" in table
    assert "chosen on heart" in table


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"methods": [{"name": "a", "over": "b"}]}, "no method is called so"),
        ({"methods": [{"name": "a", "prompt": "V*"}]}, "write {} once"),
        ({"methods": [{"name": "a", "lines": {"gain": "much"}}]}, "give a number"),
        ({"methods": [{"name": "a"}], "tuned_on": ["hops"]}, "hops is among the clips"),
    ],
)
def test_a_wrong_line_or_start_is_refused(changed, said):
    with pytest.raises(OptionError, match=said):
        parse_suite({**SUITE, **changed}, "tiny")
