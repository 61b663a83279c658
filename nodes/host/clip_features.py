"""Features from the two halves of a CLIP that the host has loaded, each a socket of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...motion_core.errors import ModelError
from ...motion_core.metrics.clip_features import FRAMES_AT_ONCE
from ...motion_core.video.pictures.pixels import check_frames


def encode_frames(clip_vision: Any, images: Tensor) -> Tensor:
    """(N, D) float32 on the CPU of frames (N, H, W, 3), cut to a square in the middle as CLIP wants them.

    Raises OptionError for other shapes, ModelError for an encoder that gives no feature a frame.
    """
    check_frames(images)
    parts = [clip_vision.encode_image(part)["image_embeds"] for part in images.split(FRAMES_AT_ONCE)]
    features = torch.cat(parts).float().cpu()
    if not _are_features(features):
        raise ModelError("this CLIP_VISION gives no feature a frame; load one of CLIP, with its projection")
    return features


def encode_prompt(clip: Any, prompt: str) -> Tensor:
    """(1, D) float32 on the CPU: the projected feature of a prompt, of which CLIP reads 75 tokens.

    Raises ModelError for a text encoder that has none: checkpoints of SD 1.5 come without the projection.
    """
    encoder, tokens = clip.cond_stage_model, clip.tokenize(prompt)
    clip.load_model()
    encoder.reset_clip_options()
    try:
        encoder.set_clip_options({"projected_pooled": True, "execution_device": clip.patcher.load_device})
        feature = encoder.encode_token_weights(tokens)[1]
    finally:
        encoder.reset_clip_options()
    if feature is None or not _are_features(feature):
        raise ModelError(
            "this CLIP gives no projected feature of a prompt, as that of an SD 1.5 checkpoint does not; "
            "load the text encoder that belongs to the CLIP_VISION with Load CLIP"
        )
    return feature.float().cpu()


def encode_pair(clip: Any, prompt: str, clip_vision: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, D) of frames and (1, D) of a prompt. Raises ModelError where no CLIP has these two halves."""
    frames, text = encode_frames(clip_vision, images), encode_prompt(clip, prompt)
    if frames.shape[1] != text.shape[1]:
        raise ModelError(
            f"the CLIP_VISION's features are {frames.shape[1]} wide and the CLIP's {text.shape[1]}; "
            "load the two halves of one CLIP, such as ViT-L/14's"
        )
    return frames, text


def _are_features(features: Tensor) -> bool:
    """Weights that a file lacks are whatever the memory held before: zeros mostly, or no numbers."""
    return features.ndim == 2 and bool(features.isfinite().all()) and bool(features.any(-1).all())
