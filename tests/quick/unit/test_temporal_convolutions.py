import pytest
import torch
from torch import nn

from motion_core.training.temporal_convolutions import as_2d_convolutions
from motion_core.training.train import train
from tests.conftest import seeded
from tests.training_cases import one_clip, short_recipe

FLAT = [
    {"kernel_size": (3, 1, 1), "padding": (1, 0, 0)},
    {"kernel_size": (3, 1, 1), "padding": (2, 0, 0), "dilation": (2, 1, 1), "stride": (2, 1, 1), "groups": 2},
    {"kernel_size": 1, "bias": False},
]
OTHER = [{"kernel_size": 3, "padding": 1}, {"kernel_size": (3, 1, 1), "padding": 1}, {"kernel_size": (1, 1, 3)}]


@pytest.mark.parametrize("layer", [*FLAT, *OTHER])
def test_a_convolution_gives_the_same_output(layer):
    conv = nn.Conv3d(4, 6, **layer).double()
    x = seeded(2, 4, 5, 6, 7).double()
    with as_2d_convolutions(conv):
        assert ("forward" in vars(conv)) == (layer in FLAT)
        flat = conv(x)
    assert "forward" not in vars(conv)
    torch.testing.assert_close(flat, conv(x), atol=1e-12, rtol=1e-12)


def test_a_hosts_convolution_is_left_alone():
    class Casting(nn.Conv3d):
        pass

    layer = Casting(1, 1, (3, 1, 1))
    with as_2d_convolutions(layer):
        assert "forward" not in vars(layer)


@pytest.mark.parametrize("name, memory", [("motion_inversion", "low"), ("motion_inversion", "fast"), ("vmc", "fast")])
def test_training_gives_the_same_but_for_rounding(denoiser, latents, text, name, memory):
    recipe = short_recipe(name, learning_rate=1e-9, memory=memory)
    plain, fast = (train(denoiser, one_clip(latents, text), recipe.changed(fast_kernels=on)) for on in (False, True))
    assert fast.losses == pytest.approx(plain.losses, rel=1e-5)
    assert not any("forward" in vars(part) for part in denoiser.module.modules())
