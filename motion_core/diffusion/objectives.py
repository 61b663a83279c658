"""What training minimises: losses on (prediction, target), both (B, C, N, H, W), and weighted sums of them.

Half precision is computed in float32; float64 stays float64. Every loss is a scalar tensor without a unit.
"""

import math
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import OptionError

OBJECTIVES = ("noise_mse", "appearance_debiased", "frame_residual_cosine", "frame_residual_l2")
Terms = tuple[tuple[float, str], ...]


def noise_mse(pred: Tensor, target: Tensor) -> Tensor:
    """Mean squared error, the ordinary diffusion loss (Ho et al. 2020, eq. 14). Two tensors of one shape.

    Raises OptionError where the shapes differ.
    """
    return F.mse_loss(*_widened(pred, target))


def appearance_debiased(pred: Tensor, target: Tensor, anchor: int, beta: float = 1.0) -> Tensor:
    """Mean squared error of phi(e) = sqrt(beta^2 + 1) e - beta e[anchor frame] (MotionDirector).

    The debiased term alone; the paper adds `noise_mse` to it. pred, target: (B, C, N, H, W); anchor: a frame, 0-based.
    An error that all frames share weighs (sqrt(beta^2 + 1) - beta)^2, 0.17 for beta 1.
    Raises OptionError for unequal shapes, an anchor outside the clip or a negative beta.
    """
    pred, target = _clips(pred, target)
    frames = pred.shape[2]
    if not 0 <= anchor < frames:
        raise OptionError(f"anchor frame {anchor} is not in a clip of {frames} frames; use 0 to {frames - 1}")
    if not 0 <= beta < math.inf:
        raise OptionError(f"beta is {beta}; use a number of 0 or more")
    # phi is linear, so the difference of two phi is the phi of the difference
    error = pred - target
    return (math.sqrt(beta**2 + 1) * error - beta * error[:, :, anchor : anchor + 1]).square().mean()


def frame_residual_cosine(pred: Tensor, target: Tensor, stride: int = 1) -> Tensor:
    """1 - cosine between the frame residuals of pred and target, one cosine per pair over (C, H, W), averaged (VMC).

    pred, target: (B, C, N, H, W); a residual is frame j + stride minus frame j. Lies in 0..2.
    A residual of zero has no direction: its cosine counts as 0, with finite gradients.
    Raises OptionError for unequal shapes or a stride that leaves no pair.
    """
    pred, target = _clips(pred, target)
    cosines = (_unit(_residuals(pred, stride)) * _unit(_residuals(target, stride))).sum(-1)
    return 1 - cosines.mean()


def frame_residual_l2(pred: Tensor, target: Tensor, alpha_bar: Tensor | float, stride: int = 1) -> Tensor:
    """Squared distance between the frame residuals of the clean samples that pred and target imply (VMC, eq. 16).

    (1 - alpha_bar) / alpha_bar times the squared difference of noise residuals, summed over (C, H, W), averaged over
    frame pairs and the batch. pred, target: noise (B, C, N, H, W); alpha_bar: one number or B of them, above 0.
    Raises OptionError for unequal shapes, a stride that leaves no pair, or such an alpha_bar out of range.
    """
    pred, target = _clips(pred, target)
    per_clip = _residuals(pred - target, stride).square().sum(-1).mean(-1)
    return (_clean_weight(alpha_bar, per_clip) * per_clip).mean()


def attention_feature_match(
    pred_maps: Mapping[str, Tensor], target_maps: Mapping[str, Tensor], weights: Mapping[str, float]
) -> Tensor:
    """The sum over names of weight * mean squared difference of two attention maps (MotionMatcher, official code).

    The paper's eq. 4 and 7 square the weight and sum instead of averaging, about 1e6 times as much. Maps: any shape,
    the same in both; a map without a weight does not count; gradients reach pred_maps only.
    Raises OptionError for no weights, a weight without its two maps, or maps of unequal shape.
    """
    if not weights:
        raise OptionError("attention feature match got no weights; name at least one attention map")
    for name in weights:
        if name not in pred_maps or name not in target_maps:
            known = ", ".join(sorted(pred_maps.keys() & target_maps.keys())) or "none"
            raise OptionError(f"attention map '{name}' has a weight but not both maps; maps in both: {known}")
    losses = [weight * noise_mse(pred_maps[name], target_maps[name].detach()) for name, weight in weights.items()]
    return torch.stack(losses).sum()


def parse_objective(text: str) -> Terms:
    """Read a sum such as 'noise_mse + 0.5*appearance_debiased' as ((1.0, 'noise_mse'), (0.5, 'appearance_debiased')).

    Raises OptionError for a term that is not one of `OBJECTIVES` or a weight that is not a number above 0.
    """
    # a plus inside a number such as 1e+3 separates nothing
    return tuple(_parse_term(term.strip()) for term in re.split(r"(?<![0-9.][eE])\+", text))


def evaluate_objective(
    terms: Sequence[tuple[float, str]], pred: Tensor, target: Tensor, *, anchor: int, alpha_bar: Tensor | float
) -> Tensor:
    """The weighted sum of the named losses. terms: from `parse_objective`; pred, target: (B, C, N, H, W).

    anchor: the frame (0-based) for appearance_debiased; alpha_bar: one or B numbers for frame_residual_l2.
    Raises OptionError as the losses do, for an unknown name and for no terms.
    """
    if not terms:
        raise OptionError(f"the objective is empty; add up one or more of {', '.join(OBJECTIVES)}")
    losses = {
        "noise_mse": lambda: noise_mse(pred, target),
        "appearance_debiased": lambda: appearance_debiased(pred, target, anchor),
        "frame_residual_cosine": lambda: frame_residual_cosine(pred, target),
        "frame_residual_l2": lambda: frame_residual_l2(pred, target, alpha_bar),
    }
    return torch.stack([weight * losses[_known(name)]() for weight, name in terms]).sum()


def _parse_term(term: str) -> tuple[float, str]:
    weight, star, name = term.rpartition("*")
    return (_parse_weight(weight, term) if star else 1.0), _known(name.strip())


def _parse_weight(text: str, term: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise OptionError(f"the weight in objective term '{term}' is not a number above 0; write it as '0.5*noise_mse'")
    return weight


def _known(name: str) -> str:
    if name not in OBJECTIVES:
        raise OptionError(f"objective '{name}' is unknown; add up one or more of {', '.join(OBJECTIVES)}")
    return name


def _widened(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both tensors in one precision of at least float32, once their shapes agree."""
    if pred.shape != target.shape:
        shapes = f"prediction {tuple(pred.shape)} and target {tuple(target.shape)}"
        raise OptionError(f"{shapes} differ in shape; compare tensors of one shape")
    dtype = torch.promote_types(torch.result_type(pred, target), torch.float32)
    return pred.to(dtype), target.to(dtype)


def _clips(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    pred, target = _widened(pred, target)
    if pred.ndim != 5:
        raise OptionError(f"prediction and target have shape {tuple(pred.shape)}; give them as (B, C, N, H, W)")
    return pred, target


def _residuals(x: Tensor, stride: int) -> Tensor:
    """(B, C, N, H, W) -> (B, N - stride, C * H * W)."""
    frames = x.shape[2]
    if not 1 <= stride < frames:
        raise OptionError(f"stride {stride} leaves no frame pair in a clip of {frames}; use 1 to {frames - 1} frames")
    return (x[:, :, stride:] - x[:, :, :-stride]).transpose(1, 2).flatten(2)


def _unit(x: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    # dividing zero by 1 and not by a tiny number keeps its gradient small
    return x / torch.where(length > 0, length, 1.0)


def _clean_weight(alpha_bar: Tensor | float, per_clip: Tensor) -> Tensor:
    """(1 - alpha_bar) / alpha_bar, shaped to scale per_clip (B,)."""
    value = torch.as_tensor(alpha_bar, dtype=torch.float64, device="cpu").flatten()
    if len(value) not in (1, len(per_clip)):
        raise OptionError(f"alpha_bar holds {len(value)} values for {len(per_clip)} clips; give one, or one a clip")
    if not bool(((value > 0) & (value <= 1)).all()):
        raise OptionError(f"alpha_bar is {value.tolist()}; use numbers above 0 and up to 1")
    return ((1 - value) / value).to(per_clip)
