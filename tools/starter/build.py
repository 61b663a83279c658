"""Builds the starter model, untrained: the parts of a diffusers text-to-video folder, ZeroScope's class and small.

64x64 pixels, 16 frames, latents at one eighth with 4 channels, so that everything that is true of the large
models' latents is true of these.
"""

import json
import re
from typing import Any

from motion_core.starter.appearance import every_caption

AUTOENCODER: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 4,
}
UNET: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock3D", "CrossAttnDownBlock3D"),
    "up_block_types": ("CrossAttnUpBlock3D", "CrossAttnUpBlock3D"),
    "block_out_channels": (48, 96),
    "layers_per_block": 1,
    "attention_head_dim": 16,
    "norm_num_groups": 16,
    "cross_attention_dim": 96,
}
TEXT_LENGTH = 24
TEXT: dict[str, Any] = {
    "hidden_size": 96,
    "projection_dim": 96,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": TEXT_LENGTH,
    "hidden_act": "gelu",
}
SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
}


def build_autoencoder(channels: tuple[int, ...] = (16, 16, 32, 64)):
    """An untrained `AutoencoderKL`: (B, 3, H, W) in -1..1 to (B, 4, H/8, W/8) with four levels of channels."""
    from diffusers import AutoencoderKL

    levels = len(channels)
    return AutoencoderKL(
        block_out_channels=channels,
        sample_size=8 * 2 ** (levels - 1),
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        **AUTOENCODER,
    )


def build_unet():
    """An untrained `UNet3DConditionModel` over (B, 4, N, 8, 8)."""
    from diffusers import UNet3DConditionModel

    return UNet3DConditionModel(**UNET)


def build_scheduler():
    from diffusers import DDIMScheduler

    return DDIMScheduler(**SCHEDULE)


def build_tokenizer():
    """A CLIP tokenizer that knows every word of the captions and spells out every other."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trainer = trainers.BpeTrainer(vocab_size=4096, min_frequency=1, end_of_word_suffix="</w>", show_progress=False)
    bpe.train_from_iterator(re.findall(r"[a-z]+|,", " ".join(every_caption())), trainer)
    merges: list[Any] = [tuple(merge) for merge in json.loads(bpe.to_str())["model"]["merges"]]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = letters + [letter + "</w>" for letter in letters] + ["".join(merge) for merge in merges]
    words = [*dict.fromkeys(words), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=TEXT_LENGTH)


def build_text_encoder(vocabulary: int):
    """An untrained `CLIPTextModel`."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=vocabulary,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
        **TEXT,
    )
    return CLIPTextModel(config)
