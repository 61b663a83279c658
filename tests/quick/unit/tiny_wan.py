"""A tiny Wan with random weights."""

import torch

from motion_core.diffusion.flow_schedule import FlowSchedule
from motion_core.models.wan.denoiser import WanCondition, WanDenoiser
from tests.conftest import seeded

FRAMES, GRID = 5, (4, 3)
CLIP = seeded(1, 16, FRAMES, 8, 6)
TEXT = WanCondition(seeded(7, 12, seed=1))


def build_denoiser():
    from diffusers import WanTransformer3DModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = WanTransformer3DModel(
            num_attention_heads=2, attention_head_dim=16, in_channels=20, out_channels=16, text_dim=12, freq_dim=32,
            ffn_dim=64, num_layers=2, patch_size=(1, 2, 2),
        )  # fmt: skip
    return WanDenoiser(module.eval(), FlowSchedule(shift=5.0))
