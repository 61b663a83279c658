"""Runs the core inside the host's own sampling: everything that hooks into sampling (AnimateDiff-Evolved, LoRA
hooks, context options) is in place, the model is loaded whole, and conditioning is prepared as the host prepares it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import comfy.samplers
import torch
from torch import Tensor

from .denoiser import HostDenoiser, load_whole
from .latents import check_latents, to_core
from .static_weights import with_static_weights
from .uncompiled import uncompiled

Result = TypeVar("Result")
Work = Callable[[HostDenoiser, Tensor], Result]
"""Gets the denoiser and the latents as the model takes them, (1, C, N, h, w)."""

_KEY = "motion inversion "
"""With a number, the name under which the host keeps a conditioning of ours."""


class SamplingJob(comfy.samplers.Sampler, Generic[Result]):
    """A host sampler that does other work with the model that the host prepared. result: of the work."""

    result: Result

    def __init__(self, work: Work[Result]):
        self.work = work

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
        conditions = [each for name, each in model_wrap.conds.items() if name.startswith(_KEY)]
        denoiser = HostDenoiser(model_wrap, extra_args, len(latent_image), conditions)
        self.result = self.work(denoiser, to_core(latent_image))
        return latent_image


def run_in_host(
    model: Any, conditionings: Sequence[Any], latents: Tensor, work: Work[Result], *, training: bool = False
) -> Result:
    """Returns `work(denoiser, clip)`, which runs on MODEL within the host's sampling.

    conditionings: become `denoiser.conditions`, in their order. latents: (N, C, h, w) of a LATENT.
    training: whether there is a backward: the model is then loaded whole, and everything else makes room for it.
    """
    check_latents(model, latents)
    model = with_static_weights(model) if training else model
    guider = comfy.samplers.CFGGuider(model)
    guider.inner_set_conds(
        {"positive": conditionings[0], **{f"{_KEY}{number}": each for number, each in enumerate(conditionings)}}
    )
    guider.set_cfg(1.0)
    sigmas = torch.cat([model.get_model_object("model_sampling").sigmas.flip(0)[:1], torch.zeros(1)])
    if training:
        load_whole(model)
    job = SamplingJob(work)
    with uncompiled(guider.model_options):
        guider.sample(torch.zeros_like(latents), latents, job, sigmas, disable_pbar=True)
    return job.result
