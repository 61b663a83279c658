"""Motion fidelity (DMT): whether the points of two clips move in the same directions."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import OptionError


def motion_fidelity(source_tracks: Tensor, output_tracks: Tensor, still: float = 0.0) -> Tensor:
    """Correlation of each track's directions with the best track of the other clip, averaged over both directions.

    It is half of eq. 6 of Yatim et al. 2024 (DMT), so it lies in -1..1 and identical motion scores 1. Position and
    speed do not matter. A step of `still` pixels or less counts as 0. The paper has no such threshold; without one, the
    noise of a clip that stands still would count as motion.
    Tracks: (tracks, N, 2) in pixels, with the same N in both. Raises OptionError for other shapes, no tracks, fewer
    than 2 frames, an unequal number of frames, or still below 0.
    """
    return raw_motion_fidelity(source_tracks, output_tracks, still) / 2


def raw_motion_fidelity(source_tracks: Tensor, output_tracks: Tensor, still: float = 0.0) -> Tensor:
    """Eq. 6 of Yatim et al. 2024 (DMT) as published: twice `motion_fidelity`, in -2..2."""
    if not still >= 0:  # written this way, NaN is refused too
        raise OptionError(f"still={still} must be a number of pixels, 0 or more")
    source, output = (_directions(tracks, still) for tracks in checked_tracks(source_tracks, output_tracks, frames=2))
    correlations = torch.einsum("anc,bnc->ab", source, output) / source.shape[1]
    return correlations.amax(1).mean() + correlations.amax(0).mean()


def moving_share(tracks: Tensor, still: float = 0.0) -> float:
    """The share of steps that are not still. The fidelity of a clip with itself is this share.

    Tracks: (tracks, N, 2) in pixels; still: see `motion_fidelity`.
    """
    return _moves(tracks.diff(dim=1), still).double().mean().item()


def checked_tracks(first: Tensor, second: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Checks the shapes of two sets of tracks, and converts both to one dtype of float32 or more.

    Tracks: (tracks, N, 2) in pixels; frames: the smallest N allowed.
    Raises OptionError for other shapes, no tracks, a smaller N or an unequal N.
    """
    for tracks in (first, second):
        if tracks.ndim != 3 or len(tracks) < 1 or tracks.shape[1] < frames or tracks.shape[2] != 2:
            needed = f"at least 1 track and {frames} frame(s)"
            raise OptionError(f"tracks have shape {tuple(tracks.shape)}; give (tracks, N, 2) with {needed}")
    if first.shape[1] != second.shape[1]:
        lengths = f"{first.shape[1]} and {second.shape[1]}"
        raise OptionError(f"the tracks last {lengths} frames; compare clips of the same length")
    dtype = torch.promote_types(torch.result_type(first, second), torch.float32)
    return first.to(dtype), second.to(dtype)


def _directions(tracks: Tensor, still: float) -> Tensor:
    """Unit velocities (tracks, N - 1, 2) of tracks (tracks, N, 2), 0 where a track stands still."""
    steps = tracks.diff(dim=1)
    return F.normalize(steps, dim=-1).where(_moves(steps, still), 0)


def _moves(steps: Tensor, still: float) -> Tensor:
    """Whether each step (tracks, N - 1, 2) is one: (tracks, N - 1, 1)."""
    return steps.norm(dim=-1, keepdim=True) > still
