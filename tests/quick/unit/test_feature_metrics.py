"""Copying, leakage, FID and retrieval: values by hand, what they are blind to, and what they refuse."""

import pytest
import torch
from torch import Tensor

from motion_core.errors import OptionError
from motion_core.metrics.copying import appearance_leakage, copy_score
from motion_core.metrics.frechet import frechet_distance
from motion_core.metrics.retrieval import average_precision, mean_average_precision


def randn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def at_cosine(cosine: float) -> Tensor:
    """(2,), which has that cosine with (1, 0)."""
    return torch.tensor([cosine, (1 - cosine**2) ** 0.5], dtype=torch.float64)


X = at_cosine(1.0)[None]


# ---- copying


def test_copy_score_counts_outputs_with_one_frame_that_is_a_copy():
    outputs = torch.stack([torch.stack([at_cosine(0.2), at_cosine(0.9)]), torch.stack([at_cosine(0.2)] * 2)])
    assert copy_score(outputs, X, 0.8) == 0.5
    assert copy_score(outputs, X, 0.1) == 1
    assert copy_score(outputs, X, 0.95) == 0
    assert copy_score(7 * outputs, torch.cat([-X, 3 * X]), 0.8) == 0.5  # any training frame, of any length
    assert copy_score(torch.eye(2, dtype=torch.float64)[:, None], X, 1.0) == 0  # the threshold is to be passed
    assert copy_score(outputs.float(), X.float(), 0.8).dtype == torch.float32
    assert copy_score(outputs, X, 0.8).dtype == torch.float64


def test_leakage_is_what_the_control_does_not_show():
    output, control = torch.stack([at_cosine(0.9), at_cosine(0.7)]), at_cosine(0.5)[None]
    assert appearance_leakage(output, X, control).item() == pytest.approx(0.8 - 0.5)
    assert appearance_leakage(control, X, control) == 0
    assert appearance_leakage(control, X, output).item() == pytest.approx(0.5 - 0.8)  # less like it is no leak
    assert appearance_leakage(X.expand(3, 2), X, control).item() == pytest.approx(1 - 0.5)


def test_leakage_takes_the_most_similar_reference_frame():
    reference = torch.stack([at_cosine(1.0), at_cosine(0.0)])
    assert appearance_leakage(reference.flip(0), reference, X).item() == pytest.approx(0)
    assert appearance_leakage(reference, reference, -reference).item() == pytest.approx(1.0)
    assert appearance_leakage(reference, reference, reference).dtype == torch.float64
    assert appearance_leakage(*[reference.half()] * 3).dtype == torch.float32


def test_copying_refuses_what_does_not_fit():
    outputs = randn(0, 3, 4, 5)
    for bad in (outputs[0], outputs[:0], outputs[:, :0]):
        with pytest.raises(OptionError, match=r"give \(outputs, N, D\)"):
            copy_score(bad, outputs[0], 0.5)
    with pytest.raises(OptionError, match=r"threshold=25 is no cosine"):
        copy_score(outputs, outputs[0], 25)
    with pytest.raises(OptionError, match=r"\(12, 5\) and \(4, 3\) can't be compared"):
        copy_score(outputs, outputs[0, :, :3], 0.5)
    good = outputs[0]
    for trio in ((good, good, good[0]), (good, good[:0], good), (outputs, good, good)):
        with pytest.raises(OptionError, match=r"give \(N, D\)"):
            appearance_leakage(*trio)
    with pytest.raises(OptionError, match="can't be compared"):
        appearance_leakage(good, good, good[:, :2])


# ---- FID


def frechet_by_definition(first: Tensor, second: Tensor) -> Tensor:
    """With the root of C1 C2 from its own (real, as it is similar to a symmetric matrix) eigenvalues."""
    roots = torch.linalg.eigvals(first.T.cov() @ second.T.cov()).real.clamp(min=0).sqrt()
    means = (first.mean(0) - second.mean(0)).square().sum()
    return means + first.T.cov().trace() + second.T.cov().trace() - 2 * roots.sum()


@pytest.mark.parametrize("samples", [2, 6, 40, 500])
def test_frechet_distance_of_equal_sets_is_0(samples):
    features = 10 + randn(0, samples, 40)
    assert frechet_distance(features, features).item() == pytest.approx(0, abs=1e-9)
    assert frechet_distance(features, features.flip(0)).item() == pytest.approx(0, abs=1e-9)


def test_frechet_distance_is_its_definition():
    first, second = randn(0, 90, 5) @ randn(1, 5, 5), 2 + randn(2, 70, 5) @ randn(3, 5, 5)
    expected = frechet_by_definition(first, second)
    torch.testing.assert_close(frechet_distance(first, second), expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(frechet_distance(second, first), expected, rtol=1e-9, atol=0)


def test_frechet_distance_of_fewer_samples_than_features():
    first, second = randn(0, 5, 4), randn(1, 6, 4)
    rotation = torch.linalg.qr(randn(2, 300, 300)).Q[:4]
    wide = frechet_distance(first @ rotation, second @ rotation)  # the same distance among 300 features
    torch.testing.assert_close(wide, frechet_distance(first, second), rtol=1e-9, atol=0)


def test_frechet_distance_of_shifted_and_scaled_sets():
    features = randn(0, 20, 3)
    shift = torch.tensor([3.0, 0, 4.0])
    assert frechet_distance(features, features + shift).item() == pytest.approx(25)
    centred = features - features.mean(0)
    trace = centred.T.cov().trace().item()
    assert frechet_distance(centred, 3 * centred).item() == pytest.approx(4 * trace)  # (3 - 1)^2 of each variance


def test_frechet_distance_precision_and_refusals():
    features = randn(0, 6, 3)
    assert frechet_distance(features, features + 1).dtype == torch.float64
    assert frechet_distance(features.half(), features.half() + 1).dtype == torch.float32
    for bad in (features[:1], features[0], features[None]):
        for pair in ((features, bad), (bad, features)):
            with pytest.raises(OptionError, match=r"give \(n, D\) with 2 or more samples"):
                frechet_distance(*pair)
    with pytest.raises(OptionError, match=r"\(6, 3\) and \(6, 2\)"):
        frechet_distance(features, features[:, :2])


# ---- retrieval


def precision(similarity: list[float], positive: list[int]) -> float:
    return average_precision(torch.tensor(similarity, dtype=torch.float64), torch.tensor(positive)).item()


def test_average_precision_by_hand():
    assert precision([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 0]) == 1
    assert precision([0.9, 0.8, 0.7, 0.6], [0, 0, 0, 1]) == 1 / 4
    assert precision([0.1, 0.9, 0.3, 0.5], [1, 0, 1, 0]) == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_average_precision_does_not_reward_a_similarity_that_says_nothing():
    assert precision([0.5] * 4, [1, 0, 0, 0]) == precision([0.5] * 4, [0, 0, 0, 1]) == 1 / 4


def test_mean_average_precision_is_the_mean_over_queries():
    similarity = torch.tensor([[3.0, 2, 1], [1, 2, 3]], dtype=torch.float64)
    positive = torch.tensor([[True, False, False]] * 2)
    value = mean_average_precision(similarity, positive)
    assert value.item() == pytest.approx((1 + 1 / 3) / 2) and value.dtype == torch.float64
    assert mean_average_precision(similarity.half(), positive).dtype == torch.float32


def test_retrieval_refuses_what_does_not_fit():
    similarity = randn(0, 2, 4)
    with pytest.raises(OptionError, match=r"\(4,\) and \(3,\); give \(K,\)"):
        average_precision(similarity[0], torch.ones(3))
    with pytest.raises(OptionError, match="leave out queries"):
        average_precision(similarity[0], torch.zeros(4))
    for bad in (similarity[0], similarity[:0]):
        with pytest.raises(OptionError, match=r"give \(queries, K\)"):
            mean_average_precision(bad, torch.ones_like(bad))
