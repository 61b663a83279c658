"""Inversion: sampling backwards, from a clip to the noise that leads to it (DDIM, or Euler along a flow)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..diffusion.denoiser import Condition, Denoiser
from ..progress import Progress


def invert(
    denoiser: Denoiser, latents: Tensor, condition: Condition, steps: int = 50, *, progress: Progress | None = None
) -> Tensor:
    """Returns the noise from which `sample` without guidance would lead back to the latents.

    It is the end of `trace_inversion`.
    """
    levels = denoiser.schedule.levels(steps)
    _t, z = deque(trace_inversion(denoiser, latents, condition, levels, progress=progress), maxlen=1).pop()
    return z


@torch.no_grad()
def trace_inversion(
    denoiser: Denoiser,
    latents: Tensor,
    condition: Condition,
    levels: Sequence[float],
    *,
    progress: Progress | None = None,
) -> Iterator[tuple[float, Tensor]]:
    """Yields (t, latents) at each of the noise levels of a sampling, least noisy first.

    latents: (B, C, N, h, w); condition: of all of them; levels: noisiest first, as sampling takes them. The model
    predicts at the level that a step leads to, as in Motion Inversion's published code.
    """
    z, t_from = latents, denoiser.schedule.clean
    conditions = [condition] * len(latents)
    for number, t in enumerate(reversed(levels)):
        predicted = denoiser.predict(z, torch.full((len(z),), t, device=z.device), conditions)
        z = denoiser.schedule.step(z, predicted, t_from, t)
        t_from = t
        if progress is not None:
            progress(number + 1, len(levels))
        yield t, z
