"""Where sampling starts: random noise, the reference clip's inverted noise, or a mixture of the two.

Half precision is computed in float32 and handed back as it came; float64 stays float64.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import OptionError

NOISE_METHODS = ("random", "inversion", "blend", "low_frequency_replace")


def blend(inverted: Tensor, random: Tensor, beta: float) -> Tensor:
    """sqrt(beta) * inverted + sqrt(1 - beta) * random, which keeps unit variance (MotionDirector).

    inverted, random: one shape. Raises OptionError for unequal shapes or a beta outside 0..1.
    """
    _check_shapes(inverted, random)
    if not 0 <= beta <= 1:
        raise OptionError(f"beta is {beta}; use 0 (all random) to 1 (all inverted)")
    dtype, wide = _dtypes(inverted, random)
    return (math.sqrt(beta) * inverted.to(wide) + math.sqrt(1 - beta) * random.to(wide)).to(dtype)


def low_frequency_replace(inverted: Tensor, random: Tensor, factor: int = 4) -> Tensor:
    """random with its low spatial frequencies replaced by those of inverted (DMT, Yatim et al. 2024, official code).

    Low frequencies are what survives a resize to 1/factor and back. inverted, random: one shape, (B, C, N, H, W) or
    any (..., H, W). Raises OptionError for other shapes or a factor that is no whole number of 1 or more.
    """
    _check_shapes(inverted, random)
    if inverted.ndim < 2:
        raise OptionError(f"noise of shape {tuple(inverted.shape)} has no height and width; give it as (..., H, W)")
    if not isinstance(factor, int) or factor < 1:
        raise OptionError(f"factor is {factor}; use a whole number of 1 or more")
    dtype, wide = _dtypes(inverted, random)
    # the filter is linear: random - low(random) + low(inverted)
    return (random.to(wide) + _low_frequencies(inverted.to(wide) - random.to(wide), factor)).to(dtype)


def mix(method: str, inverted: Tensor | None, random: Tensor, *, beta: float = 0.5, factor: int = 4) -> Tensor:
    """The initial noise by one of `NOISE_METHODS`; 'random' needs no inverted noise. Shapes: (B, C, N, H, W).

    Raises OptionError for another method, a missing inverted noise, or what `blend` and `low_frequency_replace` refuse.
    """
    if method not in NOISE_METHODS:
        raise OptionError(f"initial noise '{method}' is unknown; choose one of {', '.join(NOISE_METHODS)}")
    if method == "random":
        return random
    if inverted is None:
        raise OptionError(f"initial noise '{method}' needs the reference clip's inverted noise; use 'random'")
    if method == "blend":
        return blend(inverted, random, beta)
    if method == "low_frequency_replace":
        return low_frequency_replace(inverted, random, factor)
    _check_shapes(inverted, random)
    return inverted


def _low_frequencies(x: Tensor, factor: int) -> Tensor:
    full = x.shape[-2:]
    # aligning corners takes two of them: a side shrunk to 1 would be its first row or column alone
    small = [min(side, max(side // factor, 2)) for side in full]
    frames = x.reshape(1, -1, *full)
    return _resized(_resized(frames, small), list(full)).reshape(x.shape)


def _resized(x: Tensor, size: list[int]) -> Tensor:
    near = x.cpu() if x.device.type == "mps" else x  # torch before 2.7 has no such filter on a Mac's GPU
    return F.interpolate(near, size, mode="bilinear", align_corners=True, antialias=True).to(x.device)


def _check_shapes(inverted: Tensor, random: Tensor) -> None:
    if inverted.shape != random.shape:
        shapes = f"inverted noise {tuple(inverted.shape)} and random noise {tuple(random.shape)}"
        raise OptionError(f"{shapes} differ in shape; invert at the length and size that you sample")


def _dtypes(inverted: Tensor, random: Tensor) -> tuple[torch.dtype, torch.dtype]:
    """The dtype to hand back, and the one to compute in."""
    dtype = torch.result_type(inverted, random)
    return dtype, torch.promote_types(dtype, torch.float32)
