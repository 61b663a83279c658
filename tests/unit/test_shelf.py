"""A benchmark that was interrupted goes on; one with other settings or weights starts anew."""

import pytest
import torch

from motion_core.embedding import MotionEmbedding
from motion_core.starter.shelf import Score, Shelf, fingerprint


def never():
    raise AssertionError("measured again")


def test_scores_are_kept_with_what_they_depend_on(tmp_path):
    made = [Score(0.5, 1.0, 0.25, 1.0), Score(-1.0, 0.0, 0.0, 0.0)]
    shelf = Shelf(tmp_path, "weights")
    assert shelf.scores("hops", {"steps": 3}, lambda: made) == made
    assert shelf.scores("hops", {"steps": 3}, never) == made
    for other, settings, name in ((shelf, {"steps": 4}, "hops"), (shelf, {"steps": 3}, "spiral"),
                                  (Shelf(tmp_path, "retrained"), {"steps": 3}, "hops")):  # fmt: skip
        with pytest.raises(AssertionError, match="again"):
            other.scores(name, settings, never)
    assert len(list(tmp_path.iterdir())) == 1


def test_motions_are_measured_as_a_file_holds_them(tmp_path, learnt):
    shelf = Shelf(tmp_path, "weights")
    first = shelf.motion("hops", {}, lambda: learnt)
    again = shelf.motion("hops", {}, never)
    assert isinstance(again, MotionEmbedding)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters, again.parameters, strict=True))


def test_a_fingerprint_is_of_the_weights():
    torch.manual_seed(0)
    first, second = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    assert fingerprint(first) != fingerprint(second)
    second.load_state_dict(first.state_dict())
    assert fingerprint(first) == fingerprint(second) != fingerprint(first, first)
