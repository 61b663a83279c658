"""Timestep samplers: the quantile is the inverse of the integral of the density."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import PROPERTY

from motion_core.diffusion.timesteps import CoarseNoise, Uniform

uniforms = st.integers(0, 900).flatmap(lambda low: st.builds(Uniform, st.just(low), st.integers(low + 1, 1000)))
coarse = st.builds(CoarseNoise, st.floats(0, 1), st.integers(2, 1000))
samplers = st.one_of(uniforms, coarse)


@PROPERTY
@given(samplers, st.floats(0, 1))
def test_the_density_below_a_quantile_sums_to_its_share(sampler, share):
    start, end = sampler.quantile(0.0), sampler.quantile(share)
    t = torch.linspace(start, end, 4001, dtype=torch.float64)
    torch.testing.assert_close(torch.trapezoid(sampler.pdf(t), t).item(), share, rtol=0, atol=1e-6)


@PROPERTY
@given(samplers, st.integers(0, 10**6))
def test_samples_are_whole_timesteps_within_the_range(sampler, seed):
    drawn = sampler.sample(200, torch.Generator().manual_seed(seed))
    assert drawn.dtype == torch.int64
    low, high = (0, sampler.steps) if isinstance(sampler, CoarseNoise) else (sampler.low, sampler.high)
    assert drawn.min() >= low and drawn.max() < high
