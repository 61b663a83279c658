"""Builds the Wan-shaped starter model, untrained: diffusers' classes of Wan 2.1, small.

33 frames of 64x64 pixels are 9 latent frames of 8x8 with 16 channels, as the large models' are. The transformer has
Wan 2.2's image-to-video inputs (36 channels) and takes zeros for them where there is no image.
"""

from typing import Any

FRAMES = 33
LATENT_FRAMES = 9
LATENT_CHANNELS = 16
IMAGE_CHANNELS = 20
"""A mask of 4 channels (one for each frame of a latent frame) and the 16 of an encoded image."""
TEXT_WIDTH = 96
"""Of the starter model's own text encoder, which both starters share."""

AUTOENCODER: dict[str, Any] = {
    "base_dim": 8,
    "z_dim": LATENT_CHANNELS,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "temperal_downsample": [False, True, True],
}
TRANSFORMER: dict[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 8,
    "attention_head_dim": 32,
    "in_channels": LATENT_CHANNELS + IMAGE_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "text_dim": TEXT_WIDTH,
    "ffn_dim": 512,
    "num_layers": 5,
}


def build_autoencoder() -> Any:
    """Builds an untrained `AutoencoderKLWan`: (B, 3, 4n+1, H, W) in -1..1 to (B, 16, n+1, H/8, W/8)."""
    from diffusers import AutoencoderKLWan

    return AutoencoderKLWan(**AUTOENCODER)


def build_transformer() -> Any:
    """Builds an untrained `WanTransformer3DModel` over (B, 36, N, 8, 8)."""
    from diffusers import WanTransformer3DModel

    return WanTransformer3DModel(**TRANSFORMER)
