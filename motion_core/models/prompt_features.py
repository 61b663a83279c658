"""Text features by a CLIP, as the models that the core loads itself take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def encode_prompts(tokenizer: Any, text_encoder: Any, prompts: Sequence[str]) -> list[Tensor]:
    """Features (L, D) of each prompt, float32, padded or cut off at the tokenizer's length."""
    tokens = tokenizer(
        list(prompts), padding="max_length", truncation=True, max_length=tokenizer.model_max_length, return_tensors="pt"
    )
    device = next(text_encoder.parameters()).device
    return [*text_encoder(tokens.input_ids.to(device))[0].float()]
