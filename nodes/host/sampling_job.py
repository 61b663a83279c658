"""Runs the core inside the host's own sampling.

Everything that hooks into sampling is then in place (AnimateDiff-Evolved, LoRA hooks, context options), the model is
loaded, and conditioning is prepared as the host prepares it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Generic, TypeVar

import comfy.samplers
import torch
from torch import Tensor

from .caches import without_caches
from .denoiser import HostDenoiser
from .latents import check_latents, to_core
from .loading import load_whole
from .static_weights import with_static_weights
from .training_mode import training_mode
from .uncompiled import uncompiled

T = TypeVar("T")
Work = Callable[[HostDenoiser, Tensor], T]
"""Called with the denoiser and the clip (1, C, N, h, w), scaled as the model takes latents."""

_KEY = "motion "
"""With a number, the name under which the host keeps one of our conditionings."""


class SamplingJob(comfy.samplers.Sampler, Generic[T]):
    """A host sampler that runs work on the model that the host has prepared. result: what the work returned."""

    def __init__(self, work: Work[T]):
        self.work = work
        self.result: T

    def sample(
        self,
        model_wrap: Any,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Any,
        noise: Tensor,
        latent_image: Tensor | None = None,
        denoise_mask: Tensor | None = None,
        disable_pbar: bool = False,
    ) -> Tensor:
        assert latent_image is not None
        clip = to_core(latent_image)
        conditions = [condition for name, condition in model_wrap.conds.items() if name.startswith(_KEY)]
        self.result = self.work(HostDenoiser(model_wrap, extra_args, latent_image, conditions), clip)
        return latent_image


def run_in_host(
    model: Any, conditionings: Sequence[Any], latents: Tensor, work: Work[T], *, gradients: bool = False
) -> T:
    """Runs `work(denoiser, clip)` on MODEL and returns its result.

    conditionings: the denoiser's `conditions`, in this order; latents: (N, C, h, w) as in a LATENT; gradients: whether
    there is a backward. The model is then loaded whole, and everything else makes room.
    """
    check_latents(model, latents)
    model = without_caches(model)
    model = with_static_weights(model) if gradients else model
    guider = comfy.samplers.CFGGuider(model)
    named = {f"{_KEY}{number}": each for number, each in enumerate(conditionings)}
    guider.inner_set_conds({"positive": conditionings[0], **named})
    guider.set_cfg(1.0)
    sigmas = torch.cat([model.get_model_object("model_sampling").sigmas.flip(0)[:1], torch.zeros(1)])
    if gradients:
        load_whole(model)
    job = SamplingJob(work)
    trained = training_mode(model.model.diffusion_model) if gradients else nullcontext()
    with uncompiled(guider.model_options), trained:
        guider.sample(torch.zeros_like(latents), latents, job, sigmas, disable_pbar=True)
    return job.result
