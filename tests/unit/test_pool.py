from dataclasses import replace

import pytest
import torch

from motion_core.diffusion.noise_samples import Draws
from motion_core.diffusion.timesteps import CoarseNoise, Uniform
from motion_core.errors import MemoryShortage, OptionError
from motion_core.recipes.learn_config import LearnConfig
from motion_core.training.pool import AUTO, VISITS, make_pool
from motion_core.training.prefix import Prefix
from motion_core.training.train import fit

CONFIG = LearnConfig(steps=3, memory="fast", pool=2, seed=3)


def draws(seed=0, timesteps=None, versions=1):
    return Draws(
        timesteps or Uniform(0, 1000), versions, torch.Size((1, 4, 4, 8, 12)), torch.Generator().manual_seed(seed)
    )


@pytest.mark.parametrize(("which", "memory"), [("deepest", "low"), ("all", "fast")])
def test_what_is_kept_changes_nothing(either, latents, text, monkeypatch, which, memory):
    config = replace(CONFIG, sites=which, memory=memory)
    kept = fit(either, latents, text, config)
    monkeypatch.setattr(Prefix, "_thrifty", lambda self, module, forward: forward)
    computed = fit(either, latents, text, config)
    assert kept.losses == computed.losses
    for a, b in zip(kept.embedding.parameters, computed.embedding.parameters, strict=True):
        assert torch.equal(a, b)


def test_what_is_kept_is_computed_once_for_each_draw(denoiser, latents, text):
    ran = []
    inner = denoiser.module.down_blocks[0].resnets[0]
    hook = inner.register_forward_hook(lambda *_: ran.append(1))
    fit(denoiser, latents, text, replace(CONFIG, pool=0, steps=1))
    before = len(ran)
    fit(denoiser, latents, text, replace(CONFIG, pool=0, steps=4))
    plain = len(ran) - before
    ran.clear()
    fit(denoiser, latents, text, replace(CONFIG, pool=2, steps=4))
    hook.remove()
    assert plain == before + 3  # one for each step
    assert len(ran) == before - 1 + 3 + 2  # three to find what to keep, one for each draw


def test_a_turn_sees_every_draw_once(denoiser, latents, text):
    seen = []

    class Watching(type(denoiser)):
        def predict(self, z, t, text):
            seen.append((int(t), float(z.sum())))
            return super().predict(z, t, text)

    fit(Watching(denoiser.module, denoiser.schedule), latents, text, replace(CONFIG, steps=6, pool=2))
    steps = seen[-6:]
    assert len(set(steps[:2])) == 2 and set(steps[:2]) == set(steps[2:4]) == set(steps[4:])


@pytest.mark.parametrize("timesteps", [Uniform(200, 1000), CoarseNoise(1.0)])
def test_draws_are_spread(timesteps):
    spread = draws(timesteps=timesteps, versions=3).draw_spread(30)
    ranges = [timesteps.quantile(number / 30) for number in range(31)]
    found = sorted(int(draw.t) for draw in spread)
    assert all(int(low) <= t <= high for low, t, high in zip(ranges, found, ranges[1:], strict=False))
    assert [sum(draw.version == v for draw in spread) for v in range(3)] == [10, 10, 10]
    assert max(found) < 1000 and len({float(draw.eps.sum()) for draw in spread}) == 30


def test_the_same_seed_draws_the_same():
    one, other = draws(5).draw_spread(4), draws(5).draw_spread(4)
    assert all(torch.equal(a.eps, b.eps) and a.t == b.t for a, b in zip(one, other, strict=True))


def test_auto_takes_what_memory_holds_and_steps_can_use():
    prefix, cpu = Prefix({}, size=100), torch.device("cpu")
    assert len(make_pool(AUTO, 400, draws(), prefix, cpu, 1000).draws) == 8
    assert len(make_pool(AUTO, 12, draws(), prefix, cpu, 1000).draws) == 12 // VISITS
    assert len(make_pool(6, 400, draws(), prefix, cpu, 1000).draws) == 6
    with pytest.raises(MemoryShortage, match="set pool to at most 8"):
        make_pool(9, 400, draws(), prefix, cpu, 1000)
    with pytest.raises(MemoryShortage, match="pool of 1 takes"):
        make_pool(AUTO, 400, draws(), prefix, cpu, 0)
    assert len(make_pool(9, 400, draws(), prefix, cpu, None).draws) == 9


def test_a_pool_that_does_not_fit_beside_the_model_lies_in_main_memory(monkeypatch):
    prefix = Prefix({}, size=100)
    monkeypatch.setattr("motion_core.pool.find_free_main", lambda: 1000)
    for wanted, home in ((4, "cuda"), (6, "cpu")):
        make_pool(wanted, 400, draws(), prefix, torch.device("cuda"), 500)
        assert prefix.home is not None and prefix.home.type == home


@pytest.mark.parametrize("wrong", [-2, 100_001])
def test_a_size_out_of_range(wrong):
    with pytest.raises(OptionError, match="pool"):
        LearnConfig(pool=wrong)


def test_what_is_off_is_not_in_the_file():
    assert "pool" not in LearnConfig().recipe() and LearnConfig(pool=8).recipe()["pool"] == 8
