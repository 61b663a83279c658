"""Scores of features from an image encoder such as CLIP: cosines in -1..1."""

import torch
from torch import Tensor

from ..errors import OptionError
from .features import check_same_dimension, normalize_features


def text_similarity(frame_features: Tensor, text_feature: Tensor) -> Tensor:
    """Mean cosine between each frame and the prompt (CLIPScore). Higher is better.

    frame_features: (N, D); text_feature: (D,) or (1, D). Raises OptionError for other shapes.
    """
    frames = normalize_features(frame_features)
    text = normalize_features(text_feature.reshape(-1, text_feature.shape[-1]))
    if len(text) != 1 or text.shape[1] != frames.shape[1]:
        shapes = f"frames {tuple(frame_features.shape)} and text {tuple(text_feature.shape)}"
        raise OptionError(f"features of {shapes} don't fit; give (N, D) and (D,)")
    return (frames * text).sum(-1).mean()


def temporal_consistency(frame_features: Tensor) -> Tensor:
    """Mean cosine over all pairs of different frames (Motion Inversion, VMC). Higher is better.

    frame_features: (N, D), N >= 2. Raises OptionError for other shapes.
    """
    frames = normalize_features(frame_features, at_least=2)
    rows, columns = torch.triu_indices(len(frames), len(frames), offset=1)
    return (frames @ frames.T)[rows, columns].mean()


def frame_consistency(frame_features: Tensor) -> Tensor:
    """Mean cosine of neighbouring frames (MotionMatcher). Higher is better.

    frame_features: (N, D), N >= 2. Raises OptionError for other shapes.
    """
    frames = normalize_features(frame_features, at_least=2)
    return (frames[1:] * frames[:-1]).sum(-1).mean()


def appearance_likeness(output_features: Tensor, reference_features: Tensor) -> Tensor:
    """Mean over the output's frames of the cosine with the most similar frame of the reference (ours).

    A high value can mean that the reference's appearance leaks into the output. It can also come from two prompts that
    share a word, so compare it with the likeness of a control: the same prompt without the motion.
    output_features: (N, D); reference_features: (M, D), of one image encoder. Raises OptionError for other shapes.
    """
    output, reference = normalize_features(output_features), normalize_features(reference_features)
    check_same_dimension(output, reference)
    dtype = torch.promote_types(output.dtype, reference.dtype)
    return (output.to(dtype) @ reference.to(dtype).T).amax(1).mean()
