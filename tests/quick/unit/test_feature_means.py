"""Features of a block and attention maps by head, which guidance without training compares."""

import pytest
import torch
from torch import nn

from motion_core.hooks.attention_maps import attention_map, capture
from motion_core.hooks.feature_means import capture_means
from motion_core.models.block_features import find_block_features
from motion_core.models.families import find_sites
from tests.conftest import count_hooks, seeded


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
