"""Motion fidelity: do points of two clips move in the same directions?"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import OptionError


def motion_fidelity(source_tracks: Tensor, output_tracks: Tensor, still: float = 0.0) -> Tensor:
    """How well each track's directions are met by the best track of the other clip, averaged both ways; -1..1.

    Half of eq. 6 of Yatim et al. 2024 (DMT), so that identical motion scores 1. Place and speed do not matter; a step
    of `still` pixels or less counts as 0: the paper has no such bound, but what little a tracker sees in the noise of a
    still clip has directions too. Tracks: (tracks, N, 2) in pixels, of one N but any number of tracks each.
    Raises OptionError for other shapes, no tracks, fewer than 2 frames, an unequal number of them or still below 0.
    """
    return raw_motion_fidelity(source_tracks, output_tracks, still) / 2


def raw_motion_fidelity(source_tracks: Tensor, output_tracks: Tensor, still: float = 0.0) -> Tensor:
    """Eq. 6 of Yatim et al. 2024 (DMT) as it is written: twice `motion_fidelity`, -2..2."""
    if not still >= 0:  # so that NaN is refused too
        raise OptionError(f"still={still} must be a number of pixels, 0 or more")
    source, output = (_directions(tracks, still) for tracks in comparable(source_tracks, output_tracks, frames=2))
    correlations = torch.einsum("anc,bnc->ab", source, output) / source.shape[1]
    return correlations.amax(1).mean() + correlations.amax(0).mean()


def comparable(first: Tensor, second: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Both sets of tracks in one precision of at least float32, once their shapes fit. Each: (tracks, N, 2) in pixels.

    Raises OptionError for other shapes, no tracks, an N below `frames` or an unequal N.
    """
    for tracks in (first, second):
        if tracks.ndim != 3 or len(tracks) < 1 or tracks.shape[1] < frames or tracks.shape[2] != 2:
            needed = f"at least 1 track and {frames} frame(s)"
            raise OptionError(f"tracks have shape {tuple(tracks.shape)}; give (tracks, N, 2) with {needed}")
    if first.shape[1] != second.shape[1]:
        lengths = f"{first.shape[1]} and {second.shape[1]}"
        raise OptionError(f"the tracks last {lengths} frames; compare clips of one length")
    dtype = torch.promote_types(torch.result_type(first, second), torch.float32)
    return first.to(dtype), second.to(dtype)


def _directions(tracks: Tensor, still: float) -> Tensor:
    """(tracks, N, 2) -> unit velocities (tracks, N - 1, 2), 0 where nothing moves."""
    steps = tracks.diff(dim=1)
    moves = steps.norm(dim=-1, keepdim=True) > still
    return F.normalize(steps, dim=-1).where(moves, 0)
