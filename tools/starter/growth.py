"""Starting points that make a small autoencoder quick to train on a CPU."""

from typing import Any

import torch


@torch.no_grad()
def start_certain(vae: Any) -> None:
    """Start with a narrow posterior: at its usual width the first latents drown in their own noise."""
    channels = vae.quant_conv.out_channels // 2
    vae.quant_conv.bias[channels:].fill_(-6.0)


@torch.no_grad()
def grow(small: Any, full: Any) -> None:
    """Give `full`, which has one finer level, the weights of `small`, so that it does at once what `small` did.

    The new level starts as a plain halving on the way in and a plain doubling on the way out.
    """
    levels = len(small.encoder.down_blocks)
    weights = full.state_dict()
    for name, value in small.state_dict().items():
        weights[_grown_name(name)].copy_(value)
    _pass_through(full.encoder.down_blocks[0].resnets)
    halving = full.encoder.down_blocks[0].downsamplers[0].conv
    _keep_channels(halving, slice(0, 2), 0.25)
    _keep_channels(full.decoder.up_blocks[levels - 1].upsamplers[0].conv, slice(1, 2), 1.0)
    _pass_through(full.decoder.up_blocks[levels].resnets)


def _grown_name(name: str) -> str:
    parts = name.split(".")
    if parts[:2] == ["encoder", "down_blocks"]:
        parts[2] = str(int(parts[2]) + 1)
    return ".".join(parts)


def _pass_through(resnets: Any) -> None:
    for resnet in resnets:
        resnet.conv2.weight.zero_()
        resnet.conv2.bias.zero_()


def _keep_channels(conv: Any, taps: slice, weight: float) -> None:
    conv.weight.zero_()
    conv.bias.zero_()
    for channel in range(conv.out_channels):
        conv.weight[channel, channel, taps, taps] = weight
