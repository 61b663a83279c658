"""Fréchet distance: do two sets of features look as if drawn from one distribution?"""

import torch
from torch import Tensor

from ..errors import OptionError
from .features import check_one_length


def frechet_distance(first: Tensor, second: Tensor) -> Tensor:
    """FID: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of means and covariances (Heusel et al. 2017, eq. 6); 0 is best.

    first: (n, D), second: (m, D) features; n and m may be below D, yet the distance shrinks as they grow: compare
    sets of one size. Computed in float64. Raises OptionError for other shapes or fewer than 2 samples.
    """
    for features in (first, second):
        if features.ndim != 2 or len(features) < 2:
            raise OptionError(f"features have shape {tuple(features.shape)}; give (n, D) with 2 or more samples")
    check_one_length(first, second)
    (mean, root), (other_mean, other_root) = _fit_gaussian(first), _fit_gaussian(second)
    # The eigenvalues of C1 C2 are the squared singular values of R1 R2^T, whose rounding no square root magnifies.
    overlap = torch.linalg.svdvals(root @ other_root.T).sum()
    spread = root.square().sum() + other_root.square().sum() - 2 * overlap
    distance = (mean - other_mean).square().sum() + spread.clamp(min=0)
    return distance.to(torch.promote_types(torch.result_type(first, second), torch.float32))


def _fit_gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (D,) and an R of at most D rows for which R^T R is the unbiased covariance."""
    features = features.to("cpu", torch.float64)
    mean = features.mean(0)
    return mean, torch.linalg.qr((features - mean) / (len(features) - 1) ** 0.5, mode="r").R
