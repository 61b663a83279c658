"""Checks and normalisation that all scores of features share."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import OptionError


def normalize_features(features: Tensor, at_least: int = 1) -> Tensor:
    """Scales features (N, D) to length 1, in float32 or more. Raises OptionError for other shapes or a smaller N."""
    if features.ndim != 2 or len(features) < at_least:
        raise OptionError(f"features have shape {tuple(features.shape)}; give (N, D) with N of {at_least} or more")
    return F.normalize(features.to(torch.promote_types(features.dtype, torch.float32)), dim=-1)


def check_same_dimension(*features: Tensor) -> None:
    """Raises OptionError unless all features have the same D."""
    if len({each.shape[-1] for each in features}) > 1:
        shapes = " and ".join(str(tuple(each.shape)) for each in features)
        raise OptionError(f"features of {shapes} can't be compared; take all of them from one model")
