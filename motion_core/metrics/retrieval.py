"""Retrieval: does a similarity rank the clips that move alike first?"""

import torch
from torch import Tensor

from ..errors import OptionError


def average_precision(similarity: Tensor, positive: Tensor) -> Tensor:
    """Mean precision over the ranks of the positives, 0..1; 1: all of them come first.

    similarity: (K,) of one query with each candidate, the query itself left out; positive: (K,) bool. Candidates of
    equal similarity share the lower rank, so that their order does not matter.
    Raises OptionError for other shapes or no positive.
    """
    if similarity.ndim != 1 or similarity.shape != positive.shape:
        shapes = f"{tuple(similarity.shape)} and {tuple(positive.shape)}"
        raise OptionError(f"similarity and positive have shapes {shapes}; give (K,) and (K,)")
    positive = positive.bool()
    if not positive.any():
        raise OptionError("no candidate is positive; leave out queries that nothing matches")
    ahead = similarity >= similarity[positive, None]  # (positives, K): at the positive's rank or before it
    dtype = torch.promote_types(similarity.dtype, torch.float32)
    return ((ahead & positive).sum(1).to(dtype) / ahead.sum(1)).mean()


def mean_average_precision(similarity: Tensor, positive: Tensor) -> Tensor:
    """Mean over queries of `average_precision`. similarity: (queries, K); positive: (queries, K) bool.

    Raises OptionError for other shapes, no query, or a query without a positive.
    """
    if similarity.ndim != 2 or similarity.shape != positive.shape or not len(similarity):
        shapes = f"{tuple(similarity.shape)} and {tuple(positive.shape)}"
        raise OptionError(f"similarity and positive have shapes {shapes}; give (queries, K) of each")
    return torch.stack([average_precision(*row) for row in zip(similarity, positive, strict=True)]).mean()
