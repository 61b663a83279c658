"""Timestep samplers: draws follow the density, and come from the given generator alone."""

import math

import pytest
import torch

from motion_core.diffusion.timesteps import CoarseNoise, Uniform, parse_timesteps
from motion_core.errors import OptionError

SAMPLERS = [Uniform(0, 1000), Uniform(500, 980), CoarseNoise(0.5), CoarseNoise(1.0), CoarseNoise(0.5, steps=50)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_draws_follow_the_density(sampler):
    n, bins = 40000, 10
    draws = sampler.sample(n, generator())
    shares = torch.arange(bins + 1, dtype=torch.float64) / bins
    edges = sampler.quantile(shares).round()
    start, stop = draws.min(), draws.max() + 1
    timesteps = torch.arange(int(start), int(stop), dtype=torch.float64)
    density = sampler.pdf(timesteps) / sampler.pdf(timesteps).sum()
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        expected = density[(timesteps >= low) & (timesteps < high)].sum().item()
        found = ((draws >= low) & (draws < high)).double().mean().item()
        assert abs(found - expected) < 5 * math.sqrt(expected * (1 - expected) / n)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_density_is_the_slope_of_the_quantile(sampler):
    u, h = torch.linspace(0.05, 0.95, 19, dtype=torch.float64), 1e-6
    slope = (sampler.quantile(u + h) - sampler.quantile(u - h)) / (2 * h)
    torch.testing.assert_close(sampler.pdf(sampler.quantile(u)) * slope, torch.ones_like(u), rtol=1e-5, atol=0)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_sample_is_reproducible_and_leaves_global_randomness_alone(sampler):
    before = torch.get_rng_state()
    first, again, other = (sampler.sample(64, generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.dtype == torch.int64 and first.shape == (64,) and first.device.type == "cpu"


def test_uniform_covers_low_and_not_high():
    draws = Uniform(3, 7).sample(1000, generator())
    assert draws.unique().tolist() == [3, 4, 5, 6]
    assert len(Uniform(0, 1000).sample(20000, generator()).unique()) == 1000


def test_coarse_noise_covers_every_step_and_prefers_noise():
    assert CoarseNoise(0.5, steps=4).sample(2000, generator()).unique().tolist() == [0, 1, 2, 3]
    assert CoarseNoise(1.0, steps=4).sample(2000, generator()).unique().tolist() == [1, 2, 3]
    draws = CoarseNoise(0.5).sample(40000, generator())
    assert abs(draws.double().mean().item() - 600.8717) < 5


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_the_range_ends_at_its_bounds(sampler):
    low, high = (sampler.low, sampler.high) if isinstance(sampler, Uniform) else (0, sampler.steps)
    assert sampler.quantile(0.0) == pytest.approx(low, abs=1e-9)
    assert sampler.quantile(1.0) == pytest.approx(high, rel=1e-4)
    assert sampler.pdf(low - 1) == 0 and sampler.pdf(high + 1) == 0
    assert sampler.pdf((low + high) / 2) == pytest.approx(1 / (high - low))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_results_have_the_type_of_the_argument(sampler):
    for function in (sampler.pdf, sampler.quantile):
        assert type(function(1)) is float and type(function(0.5)) is float
        many = function(torch.tensor([0.25, 0.5]))
        assert many.dtype == torch.float64 and many.shape == (2,)
        assert many[1].item() == function(0.5) == function(torch.tensor(0.5)).item()


@pytest.mark.parametrize(("low", "high"), [(-1, 10), (10, 10), (20, 10), (0.5, 10), (0, math.inf)])
def test_uniform_refuses(low, high):
    with pytest.raises(OptionError, match=f"from {low} to {high} .*low < high"):
        Uniform(low, high)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, math.nan])
def test_coarse_noise_refuses_alpha(alpha):
    with pytest.raises(OptionError, match=f"alpha is {alpha}"):
        CoarseNoise(alpha)


@pytest.mark.parametrize("steps", [0, 1, -5, 10.5])
def test_coarse_noise_refuses_steps(steps):
    with pytest.raises(OptionError, match=f"steps is {steps}"):
        CoarseNoise(0.5, steps)


@pytest.mark.parametrize("sampler", [Uniform(0, 1000), CoarseNoise(0.5)], ids=str)
def test_bad_requests_are_refused(sampler):
    for share in (-0.1, 1.1, math.nan, torch.tensor([0.5, 2.0])):
        with pytest.raises(OptionError, match="use 0 to 1"):
            sampler.quantile(share)
    with pytest.raises(OptionError, match="0 timesteps"):
        sampler.sample(0, generator())


def test_written_samplers_are_parsed():
    assert parse_timesteps("all") == Uniform(0, 1000)
    assert parse_timesteps("500-999") == Uniform(500, 1000)  # both counted in
    assert parse_timesteps("7-7").sample(5, generator()).tolist() == [7] * 5
    assert parse_timesteps("coarse:0.5") == parse_timesteps("coarse:.5") == CoarseNoise(0.5)


SILLY = ["", "500", "500..999", "coarse", "coarse:2", "900-500", "-5-10", "1000-", "coarse:1e9"]


@pytest.mark.parametrize("text", SILLY)
def test_unreadable_timesteps_are_refused(text):
    with pytest.raises(OptionError):
        parse_timesteps(text)
