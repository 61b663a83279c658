"""Guidance without training, on tiny models of both families with random weights."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from motion_core.attention_maps import attention_map, capture
from motion_core.backbones import find_block_features, find_sites
from motion_core.errors import ModelError, MotionError, OptionError
from motion_core.sampling import AppliedMotion, ApplyConfig, invert, sample, trace_inversion
from motion_core.schedule import NoiseSchedule
from motion_core.steering import Step
from motion_core.steering.dmt import Dmt, DmtConfig, pairwise_cosine, pairwise_l2
from motion_core.steering.features import capture_means
from motion_core.steering.methods import METHODS, STARTER_METHODS, find_method
from motion_core.steering.motion_clone import MotionClone, MotionCloneConfig, find_primary, primary_match, ramp
from motion_core.transfer import GenerateConfig
from tests.conftest import count_hooks, seeded

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "golden.json").read_text())
STEPS, T = 4, 751
STRONG = {"dmt": {}, "motion_clone": {"weight": 1e5}}


def f64(values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture(scope="module")
def noise(latents):
    return seeded(*latents.shape, seed=7)


@pytest.fixture(scope="module")
def negative():
    return seeded(1, 5, 16, seed=2)


def build(method, denoiser, latents, text, **settings):
    if method == "dmt":
        reference = trace_inversion(denoiser, latents, text, denoiser.schedule.timesteps(STEPS))
        return Dmt(denoiser, reference, text, DmtConfig(**{"optimisation_steps": 1, **settings}))
    return MotionClone.of(denoiser, latents, text, MotionCloneConfig(**settings))


def run(denoiser, noise, text, negative, steering=None, **more):
    return sample(denoiser, noise, text, negative, steps=STEPS, guidance=3.0, steering=steering, **more)


def dmt_loss(steering, z, t, text):
    with torch.no_grad():
        ours, theirs = steering._means(z, t, text), steering._means(steering.reference[t], t, steering.text)
    return float(sum(pairwise_l2(ours[name], theirs[name]) for name in ours))


def clone_loss(steering, z, t, text):
    module = steering.denoiser.module
    with torch.no_grad(), capture(module, list(steering.primaries), len(z), stop=True, by_head=True) as maps:
        steering.denoiser.predict(z, torch.full((len(z),), t), text.expand(len(z), -1, -1))
    return float(sum(primary_match(maps[name], primary) for name, primary in steering.primaries.items()))


def test_the_losses_of_dmt_are_the_papers_and_the_codes():
    case = GOLDEN["dmt_smm"]
    ours, theirs = (f64(case[name]).mean((2, 3))[None] for name in ("gen_feat_TDHW", "src_feat_TDHW"))
    torch.testing.assert_close(theirs[0], f64(case["smm_src"]))
    assert float(pairwise_l2(ours, theirs)) == pytest.approx(case["l2_paper_sum"], rel=1e-12)
    assert float(pairwise_cosine(ours, theirs)) == pytest.approx(case["cos_official_code"], rel=1e-12)
    assert float(pairwise_cosine(theirs, theirs)) == pytest.approx(case["cos_official_floor_identical"], rel=1e-12)
    assert float(pairwise_l2(theirs + 5, theirs)) == pytest.approx(0, abs=1e-20)  # what all frames share is free
    both = torch.cat([ours, theirs])
    assert float(pairwise_l2(both, theirs)) == pytest.approx(case["l2_paper_sum"], rel=1e-12)


def test_the_loss_of_motion_clone_is_the_codes():
    case = GOLDEN["motionclone"]
    ours, theirs = (f64(case[name])[None, :, None] for name in ("gen_attn", "ref_attn"))  # one head
    primary = find_primary(theirs)
    assert primary.place[0, :, 0, :, 0].tolist() == case["top1_index"]
    assert float(primary_match(ours, primary)) == pytest.approx(case["loss_mse_top1"], rel=1e-9)  # stored to 12 places
    assert float(primary_match(torch.cat([ours, theirs, ours]), primary)) == pytest.approx(
        2 * case["loss_mse_top1"], rel=1e-9
    )


def test_more_noise_is_the_forward_process():
    schedule, one = NoiseSchedule.scaled_linear(), f64([1.0])
    signal = schedule.add_more_noise(schedule.add_noise(one, 0 * one, 300), 0 * one, 300, 700)
    assert float(signal) == pytest.approx(float(schedule.alpha_bars[700].sqrt()), rel=1e-12)
    old = schedule.add_more_noise(schedule.add_noise(0 * one, one, 300), 0 * one, 300, 700)
    new = schedule.add_more_noise(0 * one, one, 300, 700)
    assert float(old**2 + new**2) == pytest.approx(float(1 - schedule.alpha_bars[700]), rel=1e-12)


def test_the_steered_part_and_its_ramp(text):
    places = [Step(number, 5, 1, 0, text).place_within(0.2, 0.8) for number in range(5)]
    assert places == [None, (0, 3), (1, 3), (2, 3), None]
    assert Step(19, 50, 1, 0, text).place_within(0, 0.4) == (19, 20)
    weights = [ramp(number, 180, 1 / 18, 1 / 18) for number in range(180)]
    assert weights[:2] == pytest.approx([0.1, 0.2]) and weights[9] == weights[170] == pytest.approx(1)
    assert weights[171:] == pytest.approx([0.9 - number / 10 for number in range(9)])
    assert [ramp(number, 3, 0, 0) for number in range(3)] == [1, 1, 1]


def test_a_map_by_head_averages_to_the_map(either, latents, text):
    name = find_sites(either.module)[0].name
    found = []
    for by_head in (True, False):
        with torch.no_grad(), capture(either.module, [name], stop=True, by_head=by_head) as maps:
            either.predict(latents, torch.tensor([500]), text)
        found.append(maps[name])
    heads = find_sites(either.module)[0].heads
    assert heads > 1 and found[0].shape == (1, 96, heads, 4, 4)
    torch.testing.assert_close(found[0].mean(2), found[1])
    q, k = seeded(3, 4, 8), seeded(3, 4, 8, seed=1)
    assert not torch.allclose(attention_map(q, k, 2), attention_map(q, k, 1))


def test_features_are_means_and_the_rest_is_not_run(either, latents, text):
    module, pair = either.module, torch.cat([latents, 2 * latents])
    layers, seen, ran = find_block_features(module, "up_blocks.1"), {}, []
    own = "temp_convs" if hasattr(module.up_blocks[1], "temp_convs") else "motion_modules"
    assert [name.split(".")[2] for name in layers] == ["resnets", own, "upsamplers"]
    hooks = [layer.register_forward_hook(lambda _l, _a, out, n=n: seen.update({n: out})) for n, layer in layers.items()]
    hooks.append(module.up_blocks[2].register_forward_pre_hook(lambda *_: ran.append(1)))
    with torch.no_grad(), capture_means(module, "up_blocks.1", 2) as means:
        either.predict(pair, torch.tensor([500, 500]), text.expand(2, -1, -1))
        pytest.fail("the block goes on")
    for hook in hooks:
        hook.remove()
    assert not ran and count_hooks(module) == 0 and list(means) == list(layers)
    for name, mean in means.items():
        assert mean.shape[:2] == (2, 4)
        torch.testing.assert_close(mean[1, 2], seen[name][4 + 2].flatten(1).mean(1))


def test_the_hosts_unet_has_the_same_features():
    class Part(nn.Module):
        def __init__(self, **parts):
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

    class Upsample(nn.Module):
        pass

    host = nn.Module()
    rows = []
    for number in range(12):
        residual = Part(out_layers=nn.Sequential(nn.SiLU(), nn.Conv2d(1, 1, 1)))
        parts = [residual, Part(temporal_transformer=nn.Identity())]
        rows.append(nn.ModuleList([*parts, Upsample()] if number % 3 == 2 and number < 11 else parts))
    host.output_blocks = nn.ModuleList(rows)
    found = find_block_features(host, "up_blocks.1")
    assert list(found) == [f"up_blocks.1.{own}" for own in ("resnets.1.conv2", "motion_modules.1", "upsamplers.0")]
    assert list(found.values()) == [rows[4][0].out_layers[1], rows[4][1], rows[5][2]]
    assert len(find_block_features(host, "up_blocks.3")) == 2


@pytest.mark.parametrize("method", ["dmt", "motion_clone"])
def test_it_steers_and_one_seed_gives_one_clip(either, latents, text, negative, noise, method):
    reference = seeded(*latents.shape, seed=9)
    before = torch.random.get_rng_state()
    steering = build(method, either, reference, text, **STRONG[method])
    one = run(either, noise, text, negative, steering)
    assert torch.equal(run(either, noise, text, negative, steering), one)  # it keeps nothing from a run
    assert not one.requires_grad and not torch.allclose(one, run(either, noise, text, negative), atol=1e-3)
    other = build(method, either, reference, text, seed=1, **STRONG[method])
    assert not torch.equal(run(either, noise, text, negative, other), one)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("off", [
    ("motion_clone", {"weight": 0.0}), ("motion_clone", {"start": 0.0, "end": 0.0}),
    ("dmt", {"optimisation_steps": 0, "restart_end": 0.0}), ("dmt", {"start": 1.0, "end": 1.0, "restart_end": 0.0}),
])  # fmt: skip
def test_nothing_to_do_changes_no_bit(denoiser, latents, text, negative, noise, off):
    method, settings = off
    steering = build(method, denoiser, seeded(*latents.shape, seed=9), text, **settings)
    assert torch.equal(run(denoiser, noise, text, negative, steering), run(denoiser, noise, text, negative))


def test_only_the_named_part_of_sampling_is_steered(denoiser, latents, text, negative, noise, monkeypatch):
    seen = []
    monkeypatch.setattr(MotionClone, "differentiate", lambda _self, z, t, _text: seen.append(t) or 0 * z)
    monkeypatch.setattr(Dmt, "optimise", lambda _self, z, t, _text, rate: seen.append((t, rate)) or z)
    run(denoiser, noise, text, negative, build("motion_clone", denoiser, latents, text, start=0.2, end=0.6))
    assert seen == denoiser.schedule.timesteps(STEPS)[1:3]
    seen.clear()
    steering = build("dmt", denoiser, latents, text, end=0.6, learning_rate=0.03, last_learning_rate=0.01)
    run(denoiser, noise, text, negative, steering)
    assert [t for t, _ in seen] == denoiser.schedule.timesteps(STEPS)[:3]
    assert [rate for _, rate in seen] == pytest.approx([0.03, 0.02, 0.01])


def test_a_restart_takes_a_step_again_from_fresh_noise(denoiser, latents, text):
    steering = build("dmt", denoiser, latents, text, end=0.0, restart_end=0.5)
    seen = []

    def advance(z):
        seen.append(z)
        return z / 2

    steps = [Step(number, 4, t, t_prev, text) for number, t, t_prev in ((0, 751, 501), (1, 501, 251), (2, 251, 1))]
    moved = [steering.steer(latents, step, advance) for step in steps]
    assert len(seen) == 5 and torch.equal(moved[2], latents / 2)
    eps = (seen[1] - denoiser.schedule.add_more_noise(latents / 2, 0 * latents, 501, 751)) / (
        1 - denoiser.schedule.alpha_bars[751] / denoiser.schedule.alpha_bars[501]
    ).sqrt()
    assert float(eps.std()) == pytest.approx(1, abs=0.05) and float(eps.mean()) == pytest.approx(0, abs=0.05)
    assert not torch.allclose(seen[1], seen[3])  # each step has noise of its own
    last = Step(0, 1, 981, -1, text)
    assert torch.equal(steering.steer(latents, last, advance), latents / 2)  # there is no going back from the end


def test_motion_clone_goes_down_its_loss(either, latents, text, noise):
    steering = build("motion_clone", either, seeded(*latents.shape, seed=9), text, weight=1.0)
    step = Step(0, STEPS, 801, 601, text)
    gradient = steering.differentiate(noise, step.t, text)
    assert clone_loss(steering, noise - 0.5 * gradient / gradient.norm(), step.t, text) < clone_loss(
        steering, noise, step.t, text
    ) < clone_loss(steering, noise + 0.5 * gradient / gradient.norm(), step.t, text)  # fmt: skip
    expected = -(((1 - either.schedule.alpha_bars[801]) * (1 - either.schedule.alpha_bars[601])) ** 0.5) * gradient
    moved = steering.steer(noise, step, lambda z: z) - noise
    torch.testing.assert_close(moved, expected.to(moved), rtol=1e-2, atol=1e-6)


def test_the_papers_sign_would_go_up(denoiser, noise):
    """What the comment in motion_clone says of DDIM's step: less noise in z_t gives a z_t_prev with more of it."""
    schedule, eps = denoiser.schedule, seeded(*noise.shape, seed=4)
    moved = schedule.step(noise, eps - 0.1 * noise, 801, 601) - schedule.step(noise, eps, 801, 601)
    assert float((moved * noise).sum()) > 0


def test_dmt_goes_down_its_loss(either, latents, text, noise):
    steering = build("dmt", either, seeded(*latents.shape, seed=9), text, optimisation_steps=5)
    t = either.schedule.timesteps(STEPS)[0]
    moved = steering.optimise(noise, t, text, 0.02)
    assert dmt_loss(steering, moved, t, text) < 0.9 * dmt_loss(steering, noise, t, text)
    assert float((moved - noise).abs().max()) <= 1.1 * 5 * 0.02
    assert torch.equal(steering.inverted, invert(either, seeded(*latents.shape, seed=9), text, STEPS))


@pytest.mark.parametrize("method", ["dmt", "motion_clone"])
def test_clips_of_a_batch_do_not_feel_each_other(denoiser, latents, text, noise, method):
    pair = torch.cat([noise, seeded(*noise.shape, seed=8)])
    steering = build(method, denoiser, latents, text)
    if method == "dmt":
        both, alone = (steering.optimise(z, T, text.expand(len(z), -1, -1), 0.02) for z in (pair, pair[1:]))
    else:
        both, alone = (steering.differentiate(z, T, text.expand(len(z), -1, -1)) for z in (pair, pair[1:]))
    torch.testing.assert_close(both[1:], alone, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("method", ["dmt", "motion_clone"])
def test_memory_is_traded_for_time_alone(either, latents, text, noise, method):
    found = []
    for memory in ("fast", "balanced", "low"):
        steering = build(method, either, seeded(*latents.shape, seed=9), text, memory=memory)
        found.append(
            steering.optimise(noise, T, text, 0.02) if method == "dmt" else steering.differentiate(noise, T, text)
        )
    assert float(found[0].abs().max()) > 0
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["dmt", "motion_clone"])
def test_the_model_is_as_before_however_it_ends(either, latents, text, negative, noise, method):
    module = either.module

    def look():
        state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        flags = [p.requires_grad for p in module.parameters()] + [m.training for m in module.modules()]
        wrapped = [name for name, part in module.named_modules() if "forward" in vars(part)]
        return state, flags, count_hooks(module), wrapped, [p.grad for p in module.parameters()]

    def interrupt(number, _count):
        if number == 2:
            raise KeyboardInterrupt

    state, *rest = look()
    steering = build(method, either, latents, text, memory="low")
    run(either, noise, text, negative, steering)
    with pytest.raises(KeyboardInterrupt):
        run(either, noise, text, negative, steering, progress=interrupt)
    with pytest.raises(MotionError, match="not finite; load the model in float32"):
        run(either, noise * torch.nan, text, negative, steering)
    with pytest.raises(OptionError, match="3 frames.* reference (has )?4|reference 4 frames"):
        run(either, noise[:, :, :3], text, negative, steering)
    after, *others = look()
    assert others == rest and all(torch.equal(after[name], state[name]) for name in state)


@pytest.mark.parametrize("method", ["dmt", "motion_clone"])
def test_it_works_where_a_host_runs_it(denoiser, latents, text, negative, noise, method):
    plain = run(denoiser, noise, text, negative, build(method, denoiser, latents, text))
    with torch.inference_mode():
        inferred = run(denoiser, noise.clone(), text, negative, build(method, denoiser, latents.clone(), text))
    torch.testing.assert_close(inferred.clone(), plain)


@pytest.mark.parametrize("branches", ["both", "conditional"])
def test_a_motion_may_be_felt_as_well(denoiser, latents, text, negative, noise, learnt, branches):
    motions = [AppliedMotion(learnt, ApplyConfig(branches=branches, strength_v=5.0))]
    steering = build("motion_clone", denoiser, seeded(*latents.shape, seed=9), text, weight=1e5)
    both = run(denoiser, noise, text, negative, steering, motions=motions)
    for one in ({"steering": steering}, {"motions": motions}):
        other = run(denoiser, noise, text, negative, **one)
        assert not torch.allclose(both, other, atol=1e-5)


def test_what_is_wrong_is_one_sentence(denoiser, latents, text, noise):
    for config, settings, said in (
        (DmtConfig, {"distance": "l1"}, "distance is 'l1'; use one of l2, cosine"),
        (DmtConfig, {"optimisation_steps": -1}, "optimisation_steps is -1; choose 0"),
        (DmtConfig, {"learning_rate": 0.0}, "learning_rate is 0.0; choose above 0"),
        (DmtConfig, {"restart_end": 2.0}, "restart_end is 2.0; choose 0"),
        (DmtConfig, {"start": 0.5, "end": 0.4}, "start is 0.5 and end 0.4"),
        (MotionCloneConfig, {"weight": -1.0}, "weight is -1.0; choose 0"),
        (MotionCloneConfig, {"timestep": -1}, "timestep is -1; choose 0"),
        (MotionCloneConfig, {"cool_down": 2.0}, "cool_down is 2.0; choose 0 to 1"),
        (MotionCloneConfig, {"end": 1.5}, "start is 0.0 and end 1.5"),
    ):
        with pytest.raises(OptionError, match=said.replace("(", r"\(")):
            config(**settings)
    with pytest.raises(ModelError, match="no temporal attention in 'up_blocks.9'; name one"):
        build("motion_clone", denoiser, latents, text, block="up_blocks.9")
    with pytest.raises(OptionError, match="timestep is 1000; choose one below the model's 1000"):
        build("motion_clone", denoiser, latents, text, timestep=1000)
    with pytest.raises(ModelError, match="no features in 'up_blocks.1'; name a block"):
        find_block_features(nn.Linear(1, 1), "up_blocks.1")
    steering = build("dmt", denoiser, latents, text, block="down_blocks.9")
    with pytest.raises(ModelError, match="no features in 'down_blocks.9'; name a block"):
        steering.optimise(noise, T, text, 0.01)
    with pytest.raises(OptionError, match="not inverted at timestep 800; invert it"):
        steering.optimise(noise, 800, text, 0.01)
    with (
        pytest.raises(ModelError, match="no forward came through up_blocks.1"),
        capture_means(denoiser.module, "up_blocks.1", 1),
    ):
        pass
    wide = build("motion_clone", denoiser, latents, text)
    with pytest.raises(OptionError, match="has 4 frames on 10 places and the reference 4 frames on 6"):
        wide.differentiate(F.pad(noise, (0, 8)), T, text)


def test_the_methods_settings_are_settings():
    assert METHODS.keys() == STARTER_METHODS.keys()
    for method in (*METHODS.values(), *STARTER_METHODS.values()):
        assert method.source and GenerateConfig(**method.sampling).steps == method.sampling["steps"]


def test_a_step_that_acts_is_one_that_does_more_than_advance(denoiser, latents, text, noise):
    settings = [
        ("motion_clone", {"weight": 1e5, "start": 0.5, "end": 1.0}), ("motion_clone", {"weight": 0.0}),
        ("dmt", {"start": 0.5, "end": 0.75, "restart_end": 0.25}), ("dmt", {"optimisation_steps": 0}),
        ("dmt", {"optimisation_steps": 0, "restart_end": 0.0}),
    ]  # fmt: skip
    timesteps = [*denoiser.schedule.timesteps(STEPS), -1]
    found = []
    for method, given in settings:
        steering = build(method, denoiser, seeded(*latents.shape, seed=9), text, **given)
        acting = []
        for number in range(STEPS):
            step = Step(number, STEPS, *timesteps[number : number + 2], text)
            acting.append(steering.acts_at(step))
            assert acting[-1] != torch.equal(steering.steer(noise, step, lambda z: z), noise)
        found.append(acting)
        assert steering.config.idle == (not any(acting))
    off, on = [False] * STEPS, [True] * STEPS
    assert found == [[False, False, True, True], off, [True, False, True, False], [*on[:-1], False], off]


def test_a_method_by_name_takes_what_is_given():
    published = METHODS["dmt"].config
    given = find_method("dmt").configure(0.5, seed=3, block=None, end=0.9)
    assert given == replace(published, seed=3, end=0.9, learning_rate=3.5e-3, last_learning_rate=2e-3)
    assert find_method("motion_clone", "starter").configure(2.0).weight == 6e4
    for name in METHODS:
        assert find_method(name).configure(0.0).idle and not find_method(name).configure().idle
    for refused, said in (
        (lambda: find_method("x"), "method is 'x'; use one of dmt, motion_clone"),
        (lambda: find_method("dmt", "x"), "preset is 'x'; use one of published, starter"),
        (lambda: find_method("dmt").configure(weight=3.0), "weight is 3.0, and dmt has no such setting"),
        (lambda: find_method("dmt").configure(-1.0), "strength is -1.0; choose 0"),
        (lambda: find_method("dmt").configure(1e6), "learning_rate is 7000.0; choose"),
    ):
        with pytest.raises(OptionError, match=said):
            refused()


def test_the_inversion_goes_through_any_timesteps(denoiser, latents, text):
    trace = dict(trace_inversion(denoiser, latents, text, [900, 333, 50]))
    assert list(trace) == [50, 333, 900]
    for t, z in trace.items():
        assert z.shape == latents.shape and z.std() > 0, t
    eps = denoiser.predict(latents, torch.tensor([50]), text)
    torch.testing.assert_close(trace[50], denoiser.schedule.step(latents, eps, -1, 50).detach())
