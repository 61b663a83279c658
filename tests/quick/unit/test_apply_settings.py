"""The part of sampling in which a motion is applied, and how its strength falls at the end."""

import pytest
import torch

from motion_core.errors import OptionError
from motion_core.motions.apply_settings import AdapterSettings, EmbeddingSettings
from motion_core.sampling.sample import find_gate


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
    assert find_gate("both", 1.0) is None
    assert torch.equal(find_gate("both", 0.5), torch.tensor([0.5]))
    assert torch.equal(find_gate("conditional", 0.25), torch.tensor([0.0, 0.25]))
