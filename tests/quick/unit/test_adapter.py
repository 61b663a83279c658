"""Adapter hooks: what they add, what they leave unchanged, and the gradients that reach the parts."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from motion_core.errors import ModelError, OptionError
from motion_core.hooks.adapter_hooks import inject_adapter
from motion_core.hooks.embedding_hooks import inject
from motion_core.memory.checkpointing import checkpointed
from motion_core.memory.freezing import frozen
from motion_core.models.families import recognize
from motion_core.models.layers import select_layers
from motion_core.motions.adapter import Adapter
from motion_core.motions.adapter_parts import LowRank, WeightDelta
from tests.conftest import build_unet, seeded
from tests.quick.unit.test_animatediff import build

ALL = "temporal + spatial"
CHOSEN = r"up_blocks\.[23]\.temp_(attentions|convs)\.1"
"""A few layers, linear and convolutions, late in the model."""


@pytest.fixture(scope="module")
def motion_unet():
    return build()


@pytest.fixture(scope="module")
def double():
    return build_unet().double()


def forward(unet, latents, text):
    words = text.expand(len(latents), -1, -1)
    if "Motion" in type(unet).__name__:
        words = words.repeat_interleave(latents.shape[2], 0)
    return unet(latents, torch.tensor([500]), words).sample


def predict(unet, latents, text):
    with torch.no_grad():
        return forward(unet, latents, text)


def low_rank(unet, which="temporal_transformer", family="zeroscope", **options) -> Adapter:
    """One that changes something: its up is not zero."""
    fresh = Adapter.low_rank(family, select_layers(recognize(unet).list_layers(), which), 4, **options)
    generator = torch.Generator().manual_seed(1)
    return fresh.map(lambda t: torch.randn(t.shape, generator=generator) * 0.1)


def deltas(unet, which=CHOSEN) -> Adapter:
    fresh = Adapter.deltas("zeroscope", select_layers(recognize(unet).list_layers(), which))
    generator = torch.Generator().manual_seed(2)
    return fresh.map(lambda t: torch.randn(t.shape, generator=generator) * 0.1)


def hooked(unet) -> bool:
    return any(m._forward_hooks or m._forward_pre_hooks for m in unet.modules())


def patched(unet, adapter):
    """A copy of the model whose weights have been changed by hand."""
    copied = copy.deepcopy(unet)
    for name, part in adapter.parts.items():
        layer = copied.get_submodule(name)
        if isinstance(part, LowRank):
            layer.weight.data += ((part.alpha or 4) / 4) * (part.up @ part.down)
        else:
            layer.weight.data += part.weight
            if part.bias is not None:
                layer.bias.data += part.bias
    return copied


def test_a_fresh_adapter_changes_no_bit(unet, motion_unet, latents, text):
    for model, family, which in (
        (unet, "zeroscope", "temporal_transformer + spatial_transformer"),
        (motion_unet, "animatediff", "temporal + cross_kv"),
    ):
        layers = select_layers(recognize(model).list_layers(), which)
        plain = predict(model, latents, text)
        for adapter in (Adapter.low_rank(family, layers, 4), Adapter.deltas(family, layers)):
            with inject_adapter(model, adapter):
                assert torch.equal(predict(model, latents, text), plain)
    with inject_adapter(unet, Adapter.deltas("zeroscope", recognize(unet).list_layers())):
        assert torch.equal(predict(unet, latents, text), predict(build_unet(), latents, text))


def test_a_zero_strength_adds_no_hook_and_an_inactive_switch_changes_no_bit(unet, latents, text):
    adapter, plain = low_rank(unet), predict(unet, latents, text)
    with inject_adapter(unet, adapter, 0.0):
        assert not hooked(unet)
    with inject_adapter(unet, adapter) as switch:
        applied = predict(unet, latents, text)
        switch.active = False
        assert torch.equal(predict(unet, latents, text), plain)
        switch.active = True
        assert torch.equal(predict(unet, latents, text), applied)
    assert not torch.allclose(applied, plain, atol=1e-4)


@pytest.mark.parametrize("alpha", [None, 2.0])
def test_an_adapter_equals_changed_weights(double, latents, text, alpha):
    for adapter in (
        low_rank(double, "temporal_transformer + cross_kv", alpha=alpha).map(torch.Tensor.double),
        deltas(double, ALL).map(torch.Tensor.double),
    ):
        with inject_adapter(double, adapter):
            applied = predict(double, latents.double(), text.double())
        by_hand = predict(patched(double, adapter), latents.double(), text.double())
        torch.testing.assert_close(applied, by_hand, rtol=1e-9, atol=1e-9)
        assert not torch.allclose(applied, predict(double, latents.double(), text.double()), atol=1e-3)


def test_a_convolution_keeps_its_stride_padding_and_groups():
    layer = nn.Conv3d(4, 6, 3, stride=2, padding=1, groups=2, padding_mode="replicate").double()
    delta = WeightDelta(seeded(6, 2, 3, 3, 3).double(), seeded(6).double())
    x = seeded(2, 4, 5, 6, 7).double()
    whole = copy.deepcopy(layer)
    whole.weight.data += delta.weight
    whole.bias.data += delta.bias
    torch.testing.assert_close(layer(x) + delta.output(layer, x), whole(x))


def test_nested_adapters_add_up_and_cancel(unet, latents, text):
    adapter, other, plain = low_rank(unet), deltas(unet), predict(unet, latents, text)
    close = {"atol": 5e-5, "rtol": 1e-4}
    with (
        inject_adapter(unet, adapter),
        inject_adapter(unet, other),
        inject_adapter(unet, other, -1.0),
        inject_adapter(unet, adapter, -1.0),
    ):
        torch.testing.assert_close(predict(unet, latents, text), plain, **close)
    with inject_adapter(unet, adapter, 2.0):
        doubled = predict(unet, latents, text)
    with inject_adapter(unet, adapter), inject_adapter(unet, adapter):
        torch.testing.assert_close(predict(unet, latents, text), doubled, **close)


@pytest.mark.parametrize("make", [low_rank, deltas])
def test_the_gate_chooses_the_branches_that_an_adapter_changes(unet, latents, text, make):
    """Linear layers and convolutions alike: of a batch of two, one is changed and one is not."""
    pair = latents[:1].expand(2, -1, -1, -1, -1)
    plain = predict(unet, pair, text[:1])
    with inject_adapter(unet, make(unet)) as switch:
        applied = predict(unet, pair, text[:1])
        switch.gate = torch.tensor([0.0, 1.0])
        gated = predict(unet, pair, text[:1])
        switch.gate = torch.ones(7)
        with pytest.raises(ModelError, match="7 branches"):
            predict(unet, pair, text[:1])
    assert torch.equal(gated[0], plain[0]) and torch.equal(gated[1], applied[1])
    assert not torch.equal(applied[1], plain[1])


def test_no_hook_or_changed_weight_remains_after_the_block(unet, latents, text):
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    plain = predict(unet, latents, text)
    with pytest.raises(RuntimeError, match="stop"), inject_adapter(unet, low_rank(unet)):
        predict(unet, latents, text)
        raise RuntimeError("stop")
    assert not hooked(unet)
    assert torch.equal(predict(unet, latents, text), plain)
    assert all(torch.equal(tensor, before[name]) for name, tensor in unet.state_dict().items())


def gradients(unet, adapter, latents, text, memory, second=None):
    """Of a loss over one forward with the adapter and, when `second`, one through the same model without it."""
    adapter = adapter.detached()
    parameters = [p.requires_grad_() for p in adapter.parameters]
    levels = recognize(unet).group_by_level().values() if memory == "low" else []
    layers = [m for level in levels for m in level]
    with frozen(unet), checkpointed(layers), inject_adapter(unet, adapter) as switch:
        predicted = forward(unet, latents, text)
        switch.active = False
        if second is not None:
            predicted = forward(unet, predicted, text)
        switch.active = second != "stays off"
        predicted.square().mean().backward()
    assert not any(p.grad is not None for p in unet.parameters())
    return [p.grad for p in parameters]


@pytest.mark.parametrize("second", [None, "on again", "stays off"])
def test_checkpointing_gives_the_same_gradients_whatever_is_switched_later(unet, latents, text, second):
    """MotionMatcher's case: the same model, without the adapter, computes the loss of the adapted one's output."""
    for adapter in (low_rank(unet, "temporal_transformer + spatial_transformer"), deltas(unet)):
        kept, computed_again = (gradients(unet, adapter, latents, text, m, second) for m in ("fast", "low"))
        assert all(gradient.abs().sum() > 0 for gradient in kept)
        for a, b in zip(kept, computed_again, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


def test_checkpointing_holds_for_animatediff(motion_unet, latents, text):
    adapter = low_rank(motion_unet, "temporal_attention", "animatediff")
    for a, b in zip(
        *(gradients(motion_unet, adapter, latents, text, m, "on again") for m in ("fast", "low")), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


def test_checkpointed_gradients_of_an_embedding_ignore_a_later_switch(unet, latents, text, learnt):
    def once(memory):
        motion = learnt.detached()
        parameters = [p.requires_grad_() for p in motion.parameters]
        levels = recognize(unet).group_by_level().values() if memory == "low" else []
        layers = [m for level in levels for m in level]
        with frozen(unet), checkpointed(layers), inject(unet, motion) as switch:
            loss = forward(unet, latents, text).square().mean()
            switch.active = False
            loss.backward()
        return [p.grad for p in parameters]

    for a, b in zip(once("fast"), once("low"), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


def test_a_forward_without_gradients_does_not_cut_later_gradients(latents, text, learnt):
    half, latents, text = build_unet().bfloat16(), latents.bfloat16(), text.bfloat16()
    adapter, motion = low_rank(half).detached(), learnt.detached()
    for parameter in (*adapter.parameters, *motion.parameters):
        parameter.requires_grad_()
    with frozen(half), inject_adapter(half, adapter), inject(half, motion):
        predict(half, latents, text)
        forward(half, latents, text).square().mean().backward()
    assert all(p.grad is not None for p in (*adapter.parameters, *motion.parameters))


def test_float32_parts_are_applied_to_a_half_precision_model(latents, text):
    half = build_unet().to(torch.bfloat16)
    adapter = low_rank(half)
    with inject_adapter(half, adapter):
        applied = predict(half, latents.bfloat16(), text.bfloat16())
    assert applied.dtype == torch.bfloat16 and all(p.dtype == torch.float32 for p in adapter.parameters)
    assert not torch.equal(applied, predict(half, latents.bfloat16(), text.bfloat16()))


class CastOnTheFly(nn.Linear):
    """As a host keeps a layer: stored in another precision, cast for each forward."""

    def forward(self, x):
        return functional.linear(x, self.weight.to(x), None if self.bias is None else self.bias.to(x))


def test_a_hosts_own_layers_are_adapted(latents, text):
    own = build_unet()
    adapter = low_rank(own)
    for name in adapter.parts:
        layer = own.get_submodule(name)
        layer.__class__ = CastOnTheFly
        layer.to(torch.float8_e4m3fn)
    plain = predict(own, latents, text)
    with inject_adapter(own, adapter):
        assert not torch.allclose(predict(own, latents, text), plain, atol=1e-4)


def test_the_seed_alone_decides_the_initial_low_rank_parts(unet):
    layers = select_layers(recognize(unet).list_layers(), "temporal")
    layers = [layer for layer in layers if layer.kind != "convolution"]
    state = torch.random.get_rng_state()
    first, again, other = (Adapter.low_rank("zeroscope", layers, 4, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters, again.parameters, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters, other.parameters, strict=True))
    assert first.detached().parameters[0] is not first.parameters[0]
    assert first.moved("meta").parameters[0].is_meta


def test_a_rank_above_the_width_is_the_width(unet):
    layers = select_layers(recognize(unet).list_layers(), "temporal_qkv")
    for name, part in Adapter.low_rank("zeroscope", layers, 32).parts.items():
        assert part.down.shape[0] == min(32, *unet.get_submodule(name).weight.shape)


def test_an_adapter_of_another_model_is_refused_in_one_sentence(unet, motion_unet):
    adapter = low_rank(unet)
    first = next(iter(adapter.parts))
    misfit = {**adapter.parts, first: LowRank(torch.zeros(2, 3), torch.zeros(5, 2))}
    for model, wrong, sentence in (
        (unet, replace(adapter, family="animatediff"), "on the animatediff family and the model is of the zeroscope"),
        (motion_unet, adapter, "on the zeroscope family and the model is of the animatediff"),
        (unet, replace(adapter, parts={"nowhere": adapter.parts[first]}), "no layer nowhere"),
        (unet, replace(adapter, parts=misfit), r"weights of \(5, 3\) at transformer_in.*has \(32, 32\)"),
    ):
        with pytest.raises(ModelError, match=sentence), inject_adapter(model, wrong):
            pass
        assert not hooked(model)
    with pytest.raises(OptionError, match="strength is 11"), inject_adapter(unet, adapter, 11):
        pass


def test_impossible_parts_are_refused(unet):
    z = torch.zeros
    for wrong in (
        lambda: LowRank(z(2, 3), z(5, 3)),
        lambda: LowRank(z(0, 3), z(5, 0)),
        lambda: LowRank(z(2, 3, 1), z(5, 2)),
        lambda: LowRank(z(2, 3), z(5, 2), float("nan")),
        lambda: WeightDelta(z(3)),
        lambda: WeightDelta(z(3, 2), z(2)),
        lambda: Adapter("zeroscope", {}),
        lambda: Adapter.low_rank("zeroscope", select_layers(recognize(unet).list_layers(), "temporal"), 4),
        lambda: Adapter.low_rank("zeroscope", recognize(unet).list_layers(), 0),
    ):
        with pytest.raises(OptionError):
            wrong()
