"""DiTFlow: the flow of attention between frames, and the guidance by it, on a tiny Wan."""

import pytest
import torch
from torch.nn import functional

from motion_core.errors import ModelError, OptionError
from motion_core.guidance.dit_flow import DitFlow, DitFlowConfig, flow_match, hard_flow, look, soft_flow
from motion_core.guidance.methods import find_method
from motion_core.hooks.query_key import QueriesAndKeys, capture_queries_and_keys
from motion_core.models.families import find_sites
from motion_core.sampling.sample import sample
from tests.conftest import count_hooks, seeded
from tests.quick.unit.tiny_wan import CLIP, FRAMES, GRID, TEXT, build_denoiser

T = 0.6
STRONG = {"learning_rate": 0.1, "last_learning_rate": 0.05, "optimisation_steps": 2, "end": 1.0}


@pytest.fixture(scope="module")
def wan():
    return build_denoiser()


def find_flow(denoiser, z):
    config = DitFlowConfig()
    guidance = DitFlow.of(denoiser, CLIP, TEXT, config)
    with torch.no_grad():
        return flow_match(look(denoiser, z, T, [TEXT], depth=config.depth), guidance.flow, config.temperature)


def run(denoiser, guidance=None):
    return sample(denoiser, seeded(*CLIP.shape, seed=5), [TEXT], TEXT, steps=3, scale=3.0, guidance=guidance)


@pytest.mark.parametrize("number", [0, 1])
def test_queries_and_keys_are_those_that_the_model_compares(wan, number):
    site = find_sites(wan.module)[number]
    seen = {}
    hooks = [
        site.to_v.register_forward_hook(lambda _m, _a, out: seen.update(v=out)),
        site.to_out.register_forward_pre_hook(lambda _m, args: seen.update(out=args[0])),
    ]
    with torch.no_grad():
        wan.predict(CLIP, torch.tensor([T]), [TEXT])
        with capture_queries_and_keys(site) as found:
            wan.predict(CLIP, torch.tensor([T]), [TEXT])
    for hook in hooks:
        hook.remove()
    one = found[0]
    assert one.q.shape == (1, FRAMES, GRID[0] * GRID[1], 32) and one.grid == GRID
    q, k, v = (x.reshape(1, -1, 2, 16).transpose(1, 2) for x in (one.q, one.k, seen["v"]))
    attended = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attended, seen["out"])
    assert count_hooks(wan.module) == 0


def test_flow_of_a_place_that_moves_by_hand():
    """2 frames of 2x3 places. Each place's channels are its own, and frame 1 holds them one column further left."""
    start = 100 * torch.eye(6).view(2, 3, 6)
    moved = start.roll(-1, 1)
    tokens = torch.stack([start, moved]).flatten(1, 2)[None]
    found = QueriesAndKeys(tokens, tokens, (2, 3), heads=2)
    to_itself, to_next = hard_flow(found, 0)[0]
    assert not to_itself.any()
    assert to_next.view(2, 3, 2)[..., 0].tolist() == [[2, -1, -1]] * 2 and not to_next[:, 1].any()
    torch.testing.assert_close(soft_flow(found, 0, 2.0)[0, 1], to_next)
    # logits 100^2 / (2 heads sqrt(3)) apart: at a temperature of 0 all places count alike, and the mean is the middle
    middle = soft_flow(found, 0, 1e-9)[0, 1].view(2, 3, 2)
    torch.testing.assert_close(middle[0, 0], torch.tensor([1.0, 0.5]), atol=1e-4, rtol=0)


def test_loss_by_hand():
    """Where the reference stands still nothing counts; elsewhere the mean over places, both directions of the plane."""
    tokens = torch.zeros(1, 2, 2, 4)
    found = QueriesAndKeys(tokens, tokens, (1, 2), heads=1)  # soft flow: half a column to the other place
    reference = torch.zeros(1, 2, 2, 2, 2)
    reference[0, 0, 1, 0, 0] = 1.0
    assert flow_match(found, reference, 2.0).item() == pytest.approx((1.0 - 0.5) ** 2 / 2)


def test_steps_lower_the_loss_and_memory_modes_agree(wan):
    z = seeded(*CLIP.shape, seed=3)
    config = DitFlowConfig(**{**STRONG, "optimisation_steps": 5}, memory="fast")
    moved = DitFlow.of(wan, CLIP, TEXT, config).optimise(z, T, [TEXT], 0.1)
    assert find_flow(wan, moved) < 0.95 * find_flow(wan, z)
    for memory in ("balanced", "low"):
        again = DitFlow.of(wan, CLIP, TEXT, DitFlowConfig(memory=memory, optimisation_steps=5))
        torch.testing.assert_close(again.optimise(z, T, [TEXT], 0.1), moved, atol=1e-4, rtol=1e-4)


def test_guidance_changes_the_clip_is_repeatable_and_leaves_the_model(wan):
    before = {name: weight.clone() for name, weight in wan.module.state_dict().items()}
    guidance = DitFlow.of(wan, CLIP, TEXT, DitFlowConfig(**STRONG))
    one = run(wan, guidance)
    assert torch.equal(run(wan, guidance), one) and not one.requires_grad
    assert not torch.allclose(one, run(wan), atol=1e-3)
    assert all(torch.equal(before[name], weight) for name, weight in wan.module.state_dict().items())
    assert count_hooks(wan.module) == 0 and all(p.requires_grad for p in wan.module.parameters())


@pytest.mark.parametrize("idle", [{"end": 0.0}, {"start": 1.0, "end": 1.0}])
def test_idle_guidance_changes_no_bit(wan, idle):
    assert torch.equal(run(wan, DitFlow.of(wan, CLIP, TEXT, DitFlowConfig(**idle))), run(wan))
    off = find_method("dit_flow").configure(strength=0)
    assert off.idle and torch.equal(run(wan, DitFlow.of(wan, CLIP, TEXT, off)), run(wan))


def test_a_clip_of_another_length_is_refused(wan):
    guidance = DitFlow.of(wan, CLIP, TEXT, DitFlowConfig(**STRONG))
    with pytest.raises(OptionError, match="the new clip has 3 frames of 12 places and the reference 5 of 12"):
        guidance.optimise(CLIP[:, :, :3], T, [TEXT], 0.1)


def test_models_that_attend_along_time_are_refused(denoiser, latents, text):
    with pytest.raises(ModelError, match="do not see each other's places"):
        DitFlow.of(denoiser, latents, text[0])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"depth": 1.5}, "depth is 1.5; choose 0"),
        ({"temperature": 0.0}, "temperature is 0.0; choose above 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; choose above 0"),
        ({"start": 0.5, "end": 0.2}, "start"),
    ],
)
def test_settings_out_of_bounds_are_refused(given, sentence):
    with pytest.raises(OptionError, match=sentence):
        DitFlowConfig(**given)
