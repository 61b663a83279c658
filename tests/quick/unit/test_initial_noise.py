"""Initial noise: what each method keeps of the inverted and of the random noise."""

import math

import pytest
import torch
from torch import Tensor

from motion_core.diffusion.initial_noise import NOISE_METHODS, blend, low_frequency_replace, mix
from motion_core.errors import OptionError

SHAPE = (2, 3, 4, 16, 24)
MIXES = [lambda a, b: blend(a, b, 0.3), low_frequency_replace]


def noise(seed: int, shape: tuple[int, ...] = SHAPE, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_blend_ends_are_exact(dtype):
    inverted, random = noise(0).to(dtype), noise(1).to(dtype)
    assert torch.equal(blend(inverted, random, 0.0), random)
    assert torch.equal(blend(inverted, random, 1.0), inverted)


@pytest.mark.parametrize("beta", [0.1, 0.3, 0.5, 0.9])
def test_blend_keeps_the_variance_and_is_as_correlated_as_beta_says(beta):
    inverted, random = noise(0, (200, 1000)), noise(1, (200, 1000))
    mixed = blend(inverted, random, beta)
    assert mixed.var().item() == pytest.approx(1, abs=0.02)
    assert (mixed * inverted).mean().item() == pytest.approx(math.sqrt(beta), abs=0.02)


def test_low_frequencies_come_from_inverted_and_the_rest_from_random():
    inverted, random = noise(0), noise(1)
    mixed = low_frequency_replace(inverted, random)
    smooth = torch.linspace(-1, 1, 24, dtype=torch.float64).expand(SHAPE)
    stripes = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(12).expand(SHAPE)
    # adding a smooth pattern to inverted shows, a fine one hardly; for random it is the other way round
    assert (low_frequency_replace(inverted + smooth, random) - mixed).std() > 0.7 * smooth.std()
    assert (low_frequency_replace(inverted + stripes, random) - mixed).std() < 0.1 * stripes.std()
    assert (low_frequency_replace(inverted, random + smooth) - mixed).std() < 0.3 * smooth.std()
    assert (low_frequency_replace(inverted, random + stripes) - mixed - stripes).std() < 0.1 * stripes.std()


def test_low_frequency_replace_works_frame_by_frame_and_channel_by_channel():
    inverted, random = noise(0), noise(1)
    mixed = low_frequency_replace(inverted, random)
    torch.testing.assert_close(mixed[1, 2, 3], low_frequency_replace(inverted[1, 2, 3], random[1, 2, 3]))
    assert mixed.shape == SHAPE


def test_factor_1_replaces_everything_and_a_larger_factor_less():
    inverted, random = noise(0), noise(1)
    torch.testing.assert_close(low_frequency_replace(inverted, random, 1), inverted)
    kept = [(low_frequency_replace(inverted, random, factor) - random).square().mean() for factor in (2, 4, 8)]
    assert kept[0] > kept[1] > kept[2] > 0


@pytest.mark.parametrize("size", [(8, 8), (8, 5), (5, 8), (3, 2), (2, 2), (1, 8), (1, 1), (40, 72), (9, 17)])
def test_low_frequency_replace_takes_small_sizes(size):
    inverted, random = noise(0, (1, 2, 3, *size)), noise(1, (1, 2, 3, *size))
    mixed = low_frequency_replace(inverted, random, 4)
    assert mixed.shape == inverted.shape and mixed.isfinite().all()
    torch.testing.assert_close(low_frequency_replace(inverted + 2, random, 4), mixed + 2)


def test_a_side_shorter_than_two_factors_is_not_reduced_to_its_first_column():
    random = torch.zeros(8, 5, dtype=torch.float64)
    inverted = random.clone()
    inverted[:, 3:] = 1
    assert low_frequency_replace(inverted, random, 4).mean() > 0.1


@pytest.mark.parametrize("function", MIXES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_dtype_is_kept_and_half_is_computed_in_single(function, dtype):
    inverted, random = noise(0).to(dtype), noise(1).to(dtype)
    mixed = function(inverted, random)
    assert mixed.dtype == dtype
    if dtype in (torch.float16, torch.bfloat16):
        assert torch.equal(mixed, function(inverted.float(), random.float()).to(dtype))


@pytest.mark.parametrize("function", MIXES)
def test_inputs_and_global_randomness_are_left_alone(function):
    inverted, random = noise(0), noise(1)
    state = torch.get_rng_state()
    function(inverted, random)
    assert torch.equal(inverted, noise(0)) and torch.equal(random, noise(1))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("function", MIXES)
def test_gradients_are_finite(function):
    inverted = noise(0).requires_grad_()
    function(inverted, noise(1)).square().sum().backward()
    assert inverted.grad is not None and inverted.grad.isfinite().all() and inverted.grad.abs().max() > 0


def test_mix_names_each_method():
    inverted, random = noise(0), noise(1)
    expected = {
        "random": random,
        "inversion": inverted,
        "blend": blend(inverted, random, 0.2),
        "low_frequency_replace": low_frequency_replace(inverted, random, 2),
    }
    assert tuple(expected) == NOISE_METHODS
    for method, result in expected.items():
        assert torch.equal(mix(method, inverted, random, beta=0.2, factor=2), result)
    assert torch.equal(mix("random", None, random), random)


def test_bad_arguments_are_refused():
    inverted, random = noise(0), noise(1)
    with pytest.raises(OptionError, match="'fourier'.*" + ", ".join(NOISE_METHODS)):
        mix("fourier", inverted, random)
    for method in NOISE_METHODS[1:]:
        with pytest.raises(OptionError, match=f"'{method}' needs"):
            mix(method, None, random)
        with pytest.raises(OptionError, match=r"\(2, 3, 4, 16, 24\).*\(2, 3, 4, 16, 23\)"):
            mix(method, inverted, random[..., 1:])
    for beta in (-0.1, 1.1, math.nan):
        with pytest.raises(OptionError, match=f"beta is {beta}"):
            blend(inverted, random, beta)
    for factor in (0, -1, 2.5):
        with pytest.raises(OptionError, match=f"factor is {factor}"):
            low_frequency_replace(inverted, random, factor)
    with pytest.raises(OptionError, match=r"\(4,\).*\(\.\.\., H, W\)"):
        low_frequency_replace(torch.ones(4), torch.ones(4))
