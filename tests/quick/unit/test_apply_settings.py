"""The part of sampling in which a motion is applied, and how its strength falls at the end."""

import pytest
import torch

from motion_core.errors import OptionError
from motion_core.hooks.applied import AppliedMotion
from motion_core.motions.apply_settings import BRANCHES, AdapterSettings, EmbeddingSettings
from motion_core.sampling.sample import NEGATIVE, POSITIVE, find_gate, sample


@pytest.mark.parametrize(
    ("settings", "shares"),
    [
        ({}, {0.0: 1, 0.5: 1, 1.0: 1}),
        ({"start": 0.25, "end": 0.5}, {0.2: 0, 0.25: 1, 0.49: 1, 0.5: 0}),
        ({"end": 0.6, "fade": 0.4}, {0.0: 1, 0.2: 1, 0.4: 0.5, 0.5: 0.25, 0.6: 0, 0.9: 0}),
        ({"end": 0.5, "fade": 1.0}, {0.0: 0.5, 0.25: 0.25}),
    ],
)
def test_the_strength_falls_before_the_end(settings, shares):
    for kind in (AdapterSettings, EmbeddingSettings):
        assert {at: kind(**settings).share_at(at) for at in shares} == pytest.approx(shares)


@pytest.mark.parametrize("fade", [-0.1, 1.5, float("nan")])
def test_a_fade_out_of_range_is_refused(fade):
    with pytest.raises(OptionError, match="fade is"):
        AdapterSettings(fade=fade)


def test_a_full_strength_has_no_gate():
    both = (NEGATIVE, POSITIVE)
    assert find_gate("both", 1.0, both) is None
    assert torch.equal(find_gate("both", 0.5, both), torch.tensor([0.5]))
    assert torch.equal(find_gate("conditional", 0.25, both), torch.tensor([0.0, 0.25]))
    assert torch.equal(find_gate("conditional", 0.25, [NEGATIVE]), torch.tensor([0.0]))
    assert torch.equal(find_gate("conditional", 0.25, [POSITIVE]), torch.tensor([0.25]))
    assert find_gate("conditional", 1.0, [POSITIVE]) is None


@pytest.mark.parametrize("branches", BRANCHES)
def test_branches_that_run_apart_make_what_they_make_together(branches, denoiser, noise, text, negative, learnt):
    def make(**how):
        motion = AppliedMotion.of(learnt, branches=branches, debias="none")
        return sample(denoiser, noise, [text[0]], negative[0], motions=[motion], steps=2, **how)

    torch.testing.assert_close(make(apart=True), make(), rtol=0, atol=1e-4)
