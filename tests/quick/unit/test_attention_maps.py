"""Attention maps of tiny models of both families; a fake stands for AnimateDiff-Evolved in ComfyUI's UNet."""

from contextlib import ExitStack

import pytest
import torch
from torch import nn

from motion_core.diffusion.objectives import attention_feature_match
from motion_core.errors import ModelError, OptionError
from motion_core.hooks.attention_maps import attention_map, averaged, capture
from motion_core.hooks.embedding_hooks import inject
from motion_core.memory.checkpointing import checkpointed
from motion_core.models.families import find_sites, recognize
from motion_core.models.sites import select_sites
from tests.conftest import count_hooks, seeded

GRIDS = [(8, 12), (4, 6), (2, 3), (1, 2)]
"""(h, w) at each level for the shared latents, which are no square."""


def predict(denoiser, latents, text):
    return denoiser.predict(latents, torch.full((len(latents),), 500), text.expand(len(latents), -1, -1))


def list_cross_attentions(module):
    return recognize(module).family.list_cross_attentions(module)


def pick(module, level=2):
    """One temporal site and one cross-attention on the way down."""
    return [
        next(site.name for site in find(module) if site.level == level and site.name.startswith("down"))
        for find in (find_sites, list_cross_attentions)
    ]


def find_named(module):
    return {site.name: site for find in (find_sites, list_cross_attentions) for site in find(module)}


def softmax_by_hand(q, k, heads):
    """A loop over rows and heads, in float64."""
    d = q.shape[-1] // heads
    rows = []
    for one_q, one_k in zip(q.double(), k.double(), strict=True):
        scores = [one_q[:, i * d : i * d + d] @ one_k[:, i * d : i * d + d].T / d**0.5 for i in range(heads)]
        rows.append(sum(s.exp() / s.exp().sum(1, keepdim=True) for s in scores) / heads)
    return torch.stack(rows)


def test_cross_attentions_bear_checkpoint_keys_in_the_order_of_the_run(either, latents, text):
    sites, ran = list_cross_attentions(either.module), []
    keys, modules = set(either.module.state_dict()), dict(either.module.named_modules())
    hooks = [s.to_q.register_forward_pre_hook(lambda *_, name=s.name: ran.append(name)) for s in sites]
    predict(either, latents, text)
    for hook in hooks:
        hook.remove()
    assert len(sites) == 16 and ran == [site.name for site in sites]
    assert sites[0].name == "down_blocks.0.attentions.0.transformer_blocks.0.attn2"
    for site in sites:
        assert {f"{site.name}.to_k.weight", f"{site.name}.to_out.0.weight"} <= keys
        assert site.heads == modules[site.name].heads and site.to_k.in_features == 16
    assert {site.name.split(".att")[0] for site in sites if site.level == 3} == {"mid_block"}
    assert {site.name.split(".att")[0] for site in sites if site.level == 2} == {"down_blocks.2", "up_blocks.1"}


@pytest.mark.parametrize("level", [0, 2])
def test_a_map_is_the_softmax_by_hand(either, latents, text, level):
    pair = torch.cat([latents, seeded(*latents.shape, seed=5)])
    names, sites, seen = pick(either.module, level), find_named(either.module), {}
    hooks = [
        layer.register_forward_hook(lambda layer, _args, out: seen.update({layer: out}))
        for name in names
        for layer in (sites[name].to_q, sites[name].to_k)
    ]
    with torch.no_grad(), capture(either.module, names, clips=2) as maps:
        predict(either, pair, text)
    for hook in hooks:
        hook.remove()
    places = GRIDS[level][0] * GRIDS[level][1]
    assert [maps[name].shape for name in names] == [(2, places, 4, 4), (2, 4, places, 5)]
    for name in names:
        site = sites[name]
        heads = next(part.heads for part in either.module.modules() if getattr(part, "to_q", None) is site.to_q)
        expected = softmax_by_hand(seen[site.to_q], seen[site.to_k], heads)
        torch.testing.assert_close(maps[name].flatten(0, 1).double(), expected, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(maps[name].sum(-1), torch.ones(maps[name].shape[:-1]))
    with torch.no_grad(), capture(either.module, names) as alone:
        predict(either, pair[1:], text)
    for name in names:
        torch.testing.assert_close(alone[name], maps[name][1:], atol=1e-5, rtol=1e-4)


def test_capturing_changes_no_bit_and_leaves_no_hook(either, latents, text):
    module = either.module
    every = list(find_named(module))
    before = count_hooks(module)
    plain = predict(either, latents, text).detach()
    with capture(module, every) as maps:
        assert torch.equal(predict(either, latents, text), plain)
        assert count_hooks(module) == before
        kept = dict(maps)
        predict(either, latents * 2, text)  # the maps are the first forward's
    assert set(maps) == set(every) and all(maps[name] is kept[name] for name in every)
    with pytest.raises(RuntimeError, match="mine"), capture(module, every, stop=True):
        assert count_hooks(module) == before + 3 * len(every)
        raise RuntimeError("mine")
    assert count_hooks(module) == before
    assert torch.equal(predict(either, latents, text), plain)


def test_stopping_gives_the_same_maps_and_runs_less(either, latents, text):
    module, names, ran = either.module, pick(either.module), []
    hooks = [
        block.register_forward_pre_hook(lambda *_: ran.append(1))
        for block in (module.down_blocks[3], module.mid_block, *module.up_blocks)
    ]
    with torch.no_grad():
        with capture(module, names) as whole:
            predict(either, latents, text)
        assert len(ran) == 6
        with capture(module, names, stop=True) as stopped:
            predict(either, latents, text)
            pytest.fail("the block goes on")
        with capture(module, pick(module, 0), stop=True) as outer, capture(module, names, stop=True) as inner:
            predict(either, latents, text)
    assert len(ran) == 6
    for hook in hooks:
        hook.remove()
    assert count_hooks(module) == 0
    assert list(stopped) == list(whole) and all(torch.equal(stopped[name], whole[name]) for name in names)
    assert len(outer) == 2 and not inner  # whose last map came first ended both


def test_half_precision_is_computed_in_float32():
    q, k = (seeded(3, 4, 8, seed=s).bfloat16() for s in range(2))
    assert torch.equal(attention_map(q, k, 2), attention_map(q.float(), k.float(), 2))
    assert attention_map(q.double(), k.double(), 2).dtype == torch.float64


class Grown(nn.Module):
    """A low-rank adapter as a hook on a layer's output."""

    def __init__(self, layer):
        super().__init__()
        self.down = nn.Parameter(seeded(layer.in_features, 2, seed=8) * 0.3)
        self.up = nn.Parameter(seeded(2, layer.out_features, seed=9) * 0.3)

    def forward(self, _layer, args, output):
        return output + args[0] @ self.down @ self.up


def gradients(denoiser, latents, text, checkpoint=False, stop=False, inside=False):
    """Of a loss on an adapted model's maps, after the block or inside it: (loss, by latents, by adapters...)."""
    module, names, sites = denoiser.module, pick(denoiser.module), find_named(denoiser.module)
    layers = [layer for level in recognize(module).group_by_level().values() for layer in level] if checkpoint else []
    early = sites[pick(module, 0)[0]]  # gets gradients through the maps that come after it
    adapted = [early.to_v, *(layer for name in names for layer in (sites[name].to_q, sites[name].to_k))]
    adapters = [Grown(layer) for layer in adapted]
    latents = latents.clone().requires_grad_()
    learnt = [latents, *(p for adapter in adapters for p in adapter.parameters())]
    with torch.no_grad(), capture(module, names, stop=True) as target:
        predict(denoiser, seeded(*latents.shape, seed=6), text)
    found = None
    with ExitStack() as around:
        for layer, adapter in zip(adapted, adapters, strict=True):
            around.callback(layer.register_forward_hook(adapter).remove)
        around.enter_context(checkpointed(layers))
        with capture(module, names, stop=stop) as maps:
            predict(denoiser, latents, text)
            if inside:
                found = torch.autograd.grad(match(maps, target), learnt)
        kept, loss = dict(maps), match(maps, target)
        found = found or torch.autograd.grad(loss, learnt)
    assert all(maps[name] is kept[name] for name in names)
    return [loss.detach(), *found]


def match(maps, target):
    return attention_feature_match(maps, target, dict.fromkeys(target, 2000.0))


@pytest.mark.parametrize("way", ["checkpoint", "stop", "checkpoint stop", "inside", "checkpoint inside"])
def test_gradients_are_the_same_with_checkpointing_and_stopping(either, latents, text, way):
    plain = gradients(either, latents, text)
    other = gradients(either, latents, text, **dict.fromkeys(way.split(), True))
    for one, two in zip(plain, other, strict=True):
        assert one.abs().max() > 0
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-7)


def test_a_loss_on_maps_and_prediction_is_the_same_with_checkpointing(denoiser, latents, text):
    """As guidance does, with every layer checkpointed: the layer's own backward is not disturbed by the maps."""
    module, found = denoiser.module, []
    names = pick(module, 1)
    for layers in ([], [layer for level in recognize(module).group_by_level().values() for layer in level]):
        latents = latents.clone().requires_grad_()
        with checkpointed(layers), capture(module, names) as maps:
            prediction = predict(denoiser, latents, text)
        loss = prediction.square().mean() + sum(m.square().sum() for m in maps.values())
        found.append(torch.autograd.grad(loss, latents)[0])
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-7)


def test_an_ordinary_backward_after_a_stop_in_a_checkpoint_is_its_own(denoiser, latents, text):
    layers, ran = [layer for level in recognize(denoiser.module).group_by_level().values() for layer in level], []
    with checkpointed(layers), capture(denoiser.module, pick(denoiser.module), stop=True):
        predict(denoiser, latents.clone().requires_grad_(), text)
    hooks = [part.register_forward_pre_hook(lambda *_: ran.append(1)) for part in denoiser.module.modules()]
    x = torch.ones(3, requires_grad=True)
    (x.exp() * x).sum().backward()
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(x.grad, torch.full((3,), 2 * torch.e))
    assert not ran


def test_the_map_includes_motions_and_changes_of_k(denoiser, latents, text, learnt):
    module = denoiser.module
    name, cross = pick(module)
    with torch.no_grad():
        with capture(module, [name], stop=True) as plain:
            predict(denoiser, latents, text)
        with capture(module, [name], stop=True) as applied, inject(module, learnt):
            predict(denoiser, latents, text)
        key = next(site for site in list_cross_attentions(module) if site.name == cross).to_k
        handle = key.register_forward_hook(lambda _m, _a, out: out * 0)
        with capture(module, [cross], stop=True) as even:
            predict(denoiser, latents, text)
        handle.remove()
    assert not torch.allclose(plain[name], applied[name], atol=1e-4)
    torch.testing.assert_close(even[cross], torch.full_like(even[cross], 1 / 5))


def test_wrong_names_and_counts_are_refused_in_one_sentence(denoiser, latents, text):
    module, names = denoiser.module, pick(denoiser.module)
    with (
        pytest.raises(ModelError, match=r"no attention 'down_blocks\.9'; name some of down"),
        capture(module, [names[0], "down_blocks.9"]),
    ):
        pass
    with pytest.raises(OptionError, match="no attention is named"), capture(module, []):
        pass
    with pytest.raises(OptionError, match="clips is 0"), capture(module, names, clips=0):
        pass
    with pytest.raises(ModelError, match=f"no forward came through {names[0]}"), capture(module, names):
        pass
    with pytest.raises(ModelError, match="a batch of 4, which 3 clips"), capture(module, names[1:], clips=3):
        predict(denoiser, latents, text)
    assert count_hooks(module) == 0


def test_averaging_takes_maps_of_one_shape(denoiser, latents, text):
    names = [s.name for s in select_sites(list_cross_attentions(denoiser.module), r"down_blocks\.2")]
    with torch.no_grad(), capture(denoiser.module, [*names, pick(denoiser.module)[0]]) as maps:
        predict(denoiser, latents, text)
    pair = {name: maps[name] for name in names}
    torch.testing.assert_close(averaged(pair), (maps[names[0]] + maps[names[1]]) / 2)
    with pytest.raises(OptionError, match=r"has shape \(1, 4, 6, 5\) and that of .*temp.* \(1, 6, 4, 4\); average"):
        averaged(maps)
    with pytest.raises(OptionError, match="no attention maps"):
        averaged({})


class FakeAttention(nn.Module):
    """As ComfyUI and AnimateDiff-Evolved attend: `heads`, a `to_out` in sequence, and a scale put into k in place."""

    def __init__(self, channels, context, heads=2, scale=None):
        super().__init__()
        self.heads, self.scale, self.is_cross_attention = heads, scale, False
        self.to_q, self.to_k, self.to_v = (nn.Linear(c, channels, bias=False) for c in (channels, context, context))
        self.to_out = nn.Sequential(nn.Linear(channels, channels), nn.Dropout(0.0))

    def forward(self, x, context=None):
        context = x if context is None else context
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        if self.scale is not None:
            k *= self.scale
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        return self.to_out(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class FakeSpatial(nn.Module):
    def __init__(self):
        super().__init__()
        self.transformer_blocks = nn.ModuleList([nn.Module()])
        self.transformer_blocks[0].attn2 = FakeAttention(8, 6)


class FakeMotion(nn.Module):
    def __init__(self, kind, block, number):
        super().__init__()
        self.block_type, self.block_idx, self.module_idx = kind, block, number
        self.temporal_transformer = nn.Module()
        self.temporal_transformer.transformer_blocks = nn.ModuleList([nn.Module()])
        blocks = nn.ModuleList([FakeAttention(8, 8, heads=1, scale=3.0), FakeAttention(8, 8)])
        self.temporal_transformer.transformer_blocks[0].attention_blocks = blocks


@pytest.fixture(scope="module")
def host_unet():
    """ComfyUI's SD 1.5 lists with the motion modules where AnimateDiff-Evolved puts them."""
    unet = nn.Module()
    unet.input_blocks, unet.output_blocks = nn.ModuleList([nn.ModuleList([nn.Identity()])]), nn.ModuleList()
    for level in range(4):
        for number in range(2):
            parts = [nn.Identity(), *([FakeSpatial()] if level < 3 else []), FakeMotion("down", level, number)]
            unet.input_blocks.append(nn.ModuleList(parts))
        if level < 3:
            unet.input_blocks.append(nn.ModuleList([nn.Identity()]))
        for number in range(3):
            parts = [nn.Identity(), *([FakeSpatial()] if level > 0 else []), FakeMotion("up", level, number)]
            unet.output_blocks.append(nn.ModuleList(parts))
    unet.middle_block = nn.ModuleList([nn.Identity(), FakeSpatial(), nn.Identity()])
    return unet


def test_the_hosts_unet_has_diffusers_names(host_unet, motion_denoiser):
    ours = list_cross_attentions(host_unet)
    theirs = list_cross_attentions(motion_denoiser.module)
    assert [(s.name, s.level) for s in ours] == [(s.name, s.level) for s in theirs]
    owners = {s.to_q: s.name for s in ours}
    for place, name in (
        ("input_blocks.1.1", "down_blocks.0.attentions.0"), ("input_blocks.8.1", "down_blocks.2.attentions.1"),
        ("middle_block.1", "mid_block.attentions.0"), ("output_blocks.3.1", "up_blocks.1.attentions.0"),
        ("output_blocks.11.1", "up_blocks.3.attentions.2"),
    ):  # fmt: skip
        assert owners[host_unet.get_submodule(f"{place}.transformer_blocks.0.attn2.to_q")].startswith(name)


@pytest.mark.parametrize("grad", [False, True])
def test_the_map_is_what_the_host_attends_with(host_unet, grad):
    """One head, so that its map, the values and `to_out` make the output; what is multiplied into k counts."""
    site = find_sites(host_unet)[0]
    attention = host_unet.input_blocks[1][2].temporal_transformer.transformer_blocks[0].attention_blocks[0]
    x = seeded(6, 4, 8, seed=2)
    with torch.set_grad_enabled(grad), capture(host_unet, [site.name]) as maps:
        output = attention(x)
    torch.testing.assert_close(attention.to_out(maps[site.name][0] @ attention.to_v(x)), output)
    assert maps[site.name].requires_grad == grad
