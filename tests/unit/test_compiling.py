import logging

import pytest
import torch
from torch import nn

from motion_core.diffusion.schedule import NoiseSchedule
from motion_core.errors import MemoryShortage
from motion_core.models.zeroscope.denoiser import UNetDenoiser
from motion_core.recipes.learn_config import LearnConfig
from motion_core.training import compiling
from motion_core.training.compiling import compiled
from motion_core.training.train import fit
from tests.conftest import build_unet

CONFIG = LearnConfig(steps=2, learning_rate=1e-9, memory="fast")


SMALL = {
    "block_out_channels": (8, 16),
    "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D"),
    "layers_per_block": 1,
}


@pytest.fixture(scope="module")
def denoiser():
    return UNetDenoiser(build_unet(**SMALL), NoiseSchedule.scaled_linear())


@pytest.fixture
def traced(monkeypatch):
    """What is compiled is traced, and then runs on torch's usual kernels. Gives what torch counts of it."""
    torch._dynamo.reset()
    monkeypatch.setattr(compiling, "BACKEND", "eager")
    yield torch._dynamo.utils.counters["stats"]
    torch._dynamo.reset()


def learn(denoiser, latents, text, **changes):
    return fit(denoiser, latents, text, LearnConfig(**{**vars(CONFIG), **changes}))


@pytest.mark.parametrize("changes", [{}, {"memory": "balanced"}, {"memory": "low"}, {"pool": 1}, {"sites": "all"}])
def test_learning_gives_the_same_but_for_rounding(denoiser, latents, text, traced, changes):
    plain = learn(denoiser, latents, text, **changes)
    traced.clear()
    fast = learn(denoiser, latents, text, compile=True, **changes)
    assert traced["unique_graphs"] > 5
    assert fast.losses == pytest.approx(plain.losses, rel=1e-5)
    assert not any("forward" in vars(part) for part in denoiser.module.modules())


def test_layers_of_one_kind_share_their_code(traced):
    layers = [nn.Linear(4, 4) for _ in range(3)] + [nn.Linear(4, 2)]
    traced.clear()
    with compiled(layers):
        for layer in layers:
            layer(torch.ones(1, 4))
    assert traced["unique_graphs"] == 2


def test_a_hook_that_comes_later_is_felt(traced):
    traced.clear()
    layer, x = nn.Linear(4, 4), torch.ones(1, 4)
    with compiled([layer]):
        before = layer(x)
        assert traced["unique_graphs"]
        layer.register_forward_pre_hook(lambda _, args: (args[0] + 1,))
        assert not torch.equal(layer(x), before)


def test_torchs_own_compiler_gives_the_same():
    layer, x = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.LayerNorm(8)), torch.ones(3, 8, requires_grad=True)
    expected = torch.autograd.grad(layer(x).square().sum(), x)[0]
    with compiled([layer]) as compilation:
        compilation.try_out(lambda: layer(x).sum().backward())
        found = torch.autograd.grad(layer(x).square().sum(), x)[0]
    torch.testing.assert_close(found, expected)


def failing(error):
    def backend(*_):
        raise error

    return backend


def test_where_it_does_not_work_learning_goes_on_and_says_why(denoiser, latents, text, traced, monkeypatch, caplog):
    monkeypatch.setattr(compiling, "BACKEND", failing(RuntimeError("no compiler\nis here")))
    plain = learn(denoiser, latents, text)
    with caplog.at_level(logging.WARNING):
        assert learn(denoiser, latents, text, compile=True).losses == plain.losses
    said = [record.getMessage() for record in caplog.records if record.name == compiling.__name__]
    assert len(said) == 1 and "learning goes on without it" in said[0] and "no compiler" in said[0]


def test_memory_that_runs_out_is_no_reason_to_go_on_without(denoiser, latents, text, monkeypatch):
    def run_out(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("motion_core.training.train._Learner._differentiate", run_out)
    with pytest.raises(MemoryShortage):
        learn(denoiser, latents, text, compile=True, memory="low")


def test_weights_in_8_bits_are_not_compiled(denoiser, latents, text, traced, caplog):
    traced.clear()
    with caplog.at_level(logging.WARNING):
        learn(denoiser, latents, text, compile=True, memory="lowest")
    assert not traced["unique_graphs"] and "memory lowest" in caplog.text


def test_cancelling_while_it_compiles_cancels(denoiser, latents, text, monkeypatch):
    class Cancelled(Exception):
        pass

    def cancel(*_):
        raise Cancelled

    monkeypatch.setattr("motion_core.training.train._Learner._differentiate", cancel)
    with pytest.raises(Cancelled):
        learn(denoiser, latents, text, compile=True)
