"""Scores from CLIP features that someone else computed: cosines in -1..1, higher is better."""

import torch
from torch import Tensor

from ..errors import OptionError
from .features import to_units


def text_similarity(frame_features: Tensor, text_feature: Tensor) -> Tensor:
    """Mean cosine between each frame and the prompt (CLIPScore). frame_features: (N, D); text_feature: (D,) or (1, D).

    Raises OptionError for other shapes.
    """
    frames = to_units(frame_features)
    text = to_units(text_feature.reshape(-1, text_feature.shape[-1]))
    if len(text) != 1 or text.shape[1] != frames.shape[1]:
        shapes = f"frames {tuple(frame_features.shape)} and text {tuple(text_feature.shape)}"
        raise OptionError(f"features of {shapes} don't fit; give (N, D) and (D,)")
    return (frames * text).sum(-1).mean()


def temporal_consistency(frame_features: Tensor) -> Tensor:
    """Mean cosine over all pairs of different frames (Motion Inversion, VMC). frame_features: (N, D), N >= 2.

    Raises OptionError for other shapes.
    """
    frames = to_units(frame_features, at_least=2)
    rows, columns = torch.triu_indices(len(frames), len(frames), offset=1)
    return (frames @ frames.T)[rows, columns].mean()


def frame_consistency(frame_features: Tensor) -> Tensor:
    """Mean cosine of neighbouring frames (MotionMatcher). frame_features: (N, D), N >= 2.

    Raises OptionError for other shapes.
    """
    frames = to_units(frame_features, at_least=2)
    return (frames[1:] * frames[:-1]).sum(-1).mean()
