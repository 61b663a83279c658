"""The layers that a selection names, and their names, in both families."""

import pytest
import torch
from torch import nn

from motion_core.errors import ModelError, OptionError
from motion_core.models.animatediff.layers import list_layers as list_animatediff_layers
from motion_core.models.families import recognize
from motion_core.models.layers import LAYER_CHOICES, Layer, select_layers
from tests.quick.unit.test_animatediff import build


@pytest.fixture(scope="module")
def motion_unet():
    return build()


def tails(layers: list[Layer]) -> set[str]:
    """What comes after `transformer_blocks.0.` in the names."""
    return {layer.name.partition(".transformer_blocks.0.")[2] for layer in layers}


FEED_FORWARD = {"ff.net.0.proj", "ff.net.2"}


def attention(*names: str, parts=("to_q", "to_k", "to_v", "to_out.0")) -> set[str]:
    return {f"{name}.{part}" for name in names for part in parts}


def test_zeroscope_layers_bear_checkpoint_keys_and_shapes(unet):
    layers = recognize(unet).list_layers()
    stored = unet.state_dict()
    for layer in layers:
        assert layer.shape == tuple(stored[f"{layer.name}.weight"].shape)
    assert len({layer.name for layer in layers}) == len(layers)
    assert {layer.kind for layer in layers} >= {"self_q", "self_out", "cross_k", "feed_forward", "convolution"}


def test_zeroscope_selections(unet):
    layers = recognize(unet).list_layers()
    chosen = {which: select_layers(layers, which) for which in LAYER_CHOICES}
    own = ("attn1", "attn2")
    assert tails(chosen["temporal_qkv"]) == attention(*own, parts=("to_q", "to_k", "to_v"))
    assert len(chosen["temporal_qkv"]) == 3 * 2 * (15 + 2)  # the mid block's and transformer_in besides the sites'
    assert tails(chosen["temporal_attention"]) == attention(*own)
    assert tails(chosen["temporal_transformer"]) == attention(*own) | FEED_FORWARD
    assert tails(chosen["cross_kv"]) == {"attn2.to_k", "attn2.to_v"}
    assert tails(chosen["spatial_transformer"]) == attention("attn1") | FEED_FORWARD
    assert len(chosen["temporal"]) + len(chosen["spatial"]) == len(layers)
    assert not any(".attentions." in layer.name for layer in chosen["temporal"])
    assert all(".attentions." in layer.name for layer in chosen["spatial"])
    assert {type(layer.module) for layer in chosen["temporal"] if layer.kind == "convolution"} == {nn.Conv3d}


def test_selections_join_and_patterns_search(unet):
    layers = recognize(unet).list_layers()
    both = select_layers(layers, "cross_kv + temporal_qkv")
    assert both == [x for x in layers if x in select_layers(layers, "temporal_qkv") or x.kind in ("cross_k", "cross_v")]
    assert {x.name.split(".")[0] for x in select_layers(layers, r"^mid_block.*to_q$ + temp_convs")} == {
        "mid_block", "down_blocks", "up_blocks",
    }  # fmt: skip


def test_selections_that_match_nothing_are_refused(unet):
    layers = recognize(unet).list_layers()
    with pytest.raises(ModelError, match="'temporal_qvk', which matches none.*temporal_qkv"):
        select_layers(layers, "cross_kv + temporal_qvk")
    for wrong in ("(", "", "cross_kv + "):
        with pytest.raises(OptionError, match="no regular expression"):
            select_layers(layers, wrong)
    with pytest.raises(ModelError, match="no temporal attention"):
        recognize(nn.Linear(2, 2))


def test_animatediff_names_are_of_motion_module_files_and_of_diffusers(motion_unet):
    layers = recognize(motion_unet).list_layers()
    temporal = select_layers(layers, "temporal")
    assert temporal[0].name == "down_blocks.0.motion_modules.0.temporal_transformer.proj_in"
    own = ("attention_blocks.0", "attention_blocks.1")
    assert tails(temporal) == attention(*own) | FEED_FORWARD | {""}
    assert tails(select_layers(layers, "temporal_transformer")) == attention(*own) | FEED_FORWARD
    stored = motion_unet.state_dict()
    spatial = select_layers(layers, "spatial")
    assert spatial and all(layer.shape == tuple(stored[f"{layer.name}.weight"].shape) for layer in spatial)
    assert tails(select_layers(layers, "cross_kv")) == {"attn2.to_k", "attn2.to_v"}


class Block(nn.Module):
    """A transformer as the host has it: attentions that do not say whether they are cross-attentions."""

    def __init__(self, channels=4, text=6):
        super().__init__()
        self.transformer_blocks = nn.ModuleList([nn.Module()])
        for name, width in (("attn1", channels), ("attn2", text)):
            attention = nn.Module()
            attention.to_q, attention.to_k = nn.Linear(channels, channels), nn.Linear(width, channels)
            attention.to_v, attention.to_out = nn.Linear(width, channels), nn.Sequential(nn.Linear(channels, channels))
            setattr(self.transformer_blocks[0], name, attention)
        self.proj_in = nn.Conv2d(channels, channels, 1)


def host_unet() -> nn.Module:
    """Stable Diffusion 1.5's blocks in the host's numbering: which of them have a spatial transformer."""
    unet = nn.Module()
    unet.input_blocks = nn.ModuleList(
        nn.ModuleList([nn.Identity(), *([Block()] if i in (1, 2, 4, 5, 7, 8) else [])]) for i in range(12)
    )
    unet.middle_block = nn.ModuleList([nn.Identity(), Block(), nn.Identity()])
    unet.output_blocks = nn.ModuleList(
        nn.ModuleList([nn.Identity(), *([Block()] if i > 2 else []), nn.Identity()]) for i in range(12)
    )
    return unet


def test_the_hosts_unet_has_diffusers_names(motion_unet):
    host = list_animatediff_layers(host_unet())
    diffusers = select_layers(recognize(motion_unet).list_layers(), "spatial")
    transformers = {layer.name.split(".transformer_blocks")[0] for layer in diffusers}
    assert {layer.name.split(".transformer_blocks")[0] for layer in host} == {
        name for name in transformers if not name.startswith(("down_blocks.3", "up_blocks.0"))
    } | {"mid_block.attentions.0"}
    assert tails(select_layers(host, "cross_kv")) == {"attn2.to_k", "attn2.to_v"}
    assert {layer.shape for layer in select_layers(host, "cross_kv")} == {(4, 6)}


def test_a_second_motion_model_has_its_own_names(motion_unet):
    class MotionModule(nn.Module):
        def __init__(self, number):
            super().__init__()
            self.block_type, self.block_idx, self.module_idx = "down", 0, number
            self.temporal_transformer = Block(text=4)

    stacked = host_unet()
    stacked.input_blocks[1].extend([MotionModule(0), MotionModule(0)])
    names = [layer.name for layer in list_animatediff_layers(stacked) if layer.temporal]
    first = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.to_q"
    assert names[0] == first and f"models.1.{first}" in names
    assert torch.tensor([name.startswith("models.1.") for name in names]).sum() * 2 == len(names)
