"""Runs a method of `motion_core.guidance` in the host's own sampling.

The sampler takes the steps, and the model only predicts. So the prediction is replaced by the one whose step of first
order, x + (x - x0) / sigma * (sigma_next - sigma), leads to the same place as the method's step. Euler and DDIM then go
exactly there. Samplers that average over steps (dpmpp_2m, heun) spread it over them.

The host's x of a diffusion model has noise sigma on a signal of 1, the core's z a variance of 1:
z = x / sqrt(1 + sigma^2). Flow matching has one convention.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import comfy.model_patcher
import comfy.sampler_helpers
import torch
from comfy.patcher_extension import WrappersMP, add_wrapper, get_all_wrappers
from torch import Tensor

from ...motion_core.diffusion.schedule import require_diffusion
from ...motion_core.errors import OptionError
from ...motion_core.guidance.dit_flow import DitFlowConfig
from ...motion_core.guidance.methods import Config, prepare_guidance
from ...motion_core.models.families import find_sites
from ...motion_core.sampling.step import Guidance, Step
from .conditioning import Conditioning
from .conventions import Convention, FlowConvention, find_convention
from .denoiser import HostDenoiser
from .latents import check_latents, count_frames, to_core, to_host
from .loading import load_whole
from .motion_patch import MotionPatch, find_options
from .ordinary_tensors import make_ordinary, ordinary_weights
from .progress import sampling_progress
from .sampling_job import SamplingJob
from .static_weights import with_static_weights
from .training_mode import training_mode
from .uncompiled import uncompiled
from .video_model import count_branches, find_attention_owner
from .windows import find_window

UNSUITED = ("cfg_pp", "lcm", "dpm_fast", "dpm_adaptive")
"""Parts of the names of samplers that use a prediction in another way, or choose noise levels of their own."""


def guide(model: Any, latents: Tensor, conditioning: Any, config: Config) -> Any:
    """Returns a clone of MODEL that is guided while it samples. latents: the reference's, as in a LATENT;
    conditioning: a prompt of the reference for DMT, the empty one for the others. Raises OptionError, ModelError.
    """
    check_latents(model, latents)
    if not isinstance(config, DitFlowConfig):
        require_diffusion(find_convention(model.get_model_object("model_sampling")).schedule)
    if not model.injections:  # else temporal attention is put in while it samples
        find_sites(find_attention_owner(model.model.diffusion_model))
    if config.idle:
        return model.clone()
    clone = with_static_weights(model).clone()
    guided = GuidedSampling(latents, conditioning, config)
    clone.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, guided.key, guided.during_sampling)
    clone.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, guided.key, guided.during_steps)
    clone.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, guided.key, guided.predict)
    return clone


class GuidedSampling:
    """The wrappers around a sampling, its steps and each prediction. It keeps nothing after a sampling."""

    def __init__(self, latents: Tensor, conditioning: Any, config: Config):
        self.latents, self.conditioning, self.config = latents, conditioning, config
        self.key = f"motion guidance {uuid.uuid4()}"
        self.steps: GuidedSteps | None = None

    def during_sampling(self, executor: Any, *args: Any, **kwargs: Any) -> Any:
        """Lets the host prepare the reference's conditioning with its own, and leaves inference mode for gradients."""
        guider = executor.class_obj
        guider.conds[self.key] = comfy.sampler_helpers.convert_cond(self.conditioning)
        with torch.inference_mode(False), torch.no_grad(), uncompiled(guider.model_options):
            load_whole(guider.model_patcher)
            ordinary = [arg.clone() if isinstance(arg, Tensor) and arg.is_inference() else arg for arg in args]
            return executor(*ordinary, **kwargs)

    def during_steps(
        self, executor: Any, guider: Any, sigmas: Tensor, extra_args: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Prepares the method with the model that the host has made ready."""
        sampler = executor.class_obj
        if isinstance(sampler, SamplingJob):  # training and inversion are not guided
            return executor(guider, sigmas, extra_args, *args, **kwargs)
        _check_sampler(sampler, sigmas)
        _callback, noise, *_ = args
        with ordinary_weights(guider.inner_model, noise.device):
            denoiser = _make_denoiser(guider, extra_args, self.key, noise)
            guidance = self._prepare(denoiser, sigmas, noise)
            self.steps = GuidedSteps(guidance, denoiser, sigmas, _find_patches(extra_args["model_options"]))
            try:
                return executor(guider, sigmas, extra_args, *args, **kwargs)
            finally:
                self.steps = None

    def predict(self, executor: Any, x: Tensor, timestep: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self.steps is None:
            return executor(x, timestep, *args, **kwargs)
        return self.steps.predict(x, float(timestep.max()), lambda moved: executor(moved, timestep, *args, **kwargs))

    def _prepare(self, denoiser: HostDenoiser, sigmas: Tensor, noise: Tensor) -> Guidance:
        new, old = (f"{count_frames(x)} frames of {x.shape[-1] * 8}x{x.shape[-2] * 8}" for x in (noise, self.latents))
        if new != old:
            raise OptionError(f"the new clip is {new} and the reference {old}; give both one length and size")
        latents = to_core(denoiser.base.process_latent_in(self.latents.clone().to(noise)))
        levels = _list_levels(denoiser.convention, sigmas)
        _new_clip, reference = denoiser.conditions
        progress = sampling_progress(len(levels))
        return prepare_guidance(denoiser, latents, reference, self.config, levels=levels, progress=progress)


class GuidedSteps:
    """The predictions of one sampling. patches: motions that are applied too."""

    def __init__(self, guidance: Guidance, denoiser: HostDenoiser, sigmas: Tensor, patches: list[MotionPatch]):
        self.guidance, self.patches = guidance, patches
        self.sigmas: list[float] = sigmas.tolist()
        self.convention = denoiser.convention
        self.levels = [self.convention.level(sigma) for sigma in self.sigmas]
        self.condition: Conditioning = denoiser.conditions[0]
        self.module = denoiser.module

    def predict(self, x: Tensor, sigma: float, predict: Callable[[Tensor], Tensor]) -> Tensor:
        """Returns the x0 that leads where the method's step does. predict: returns the model's own."""
        number = max(sum(level >= 0.999 * sigma for level in self.sigmas[:-1]) - 1, 0)
        level, next_level = self.sigmas[number : number + 2]
        step = self._step(number)
        if not self.guidance.acts_at(step):
            return predict(x)
        if not math.isclose(sigma, level, rel_tol=1e-3):
            raise OptionError(
                "this sampler runs the model between its steps, where motion guidance cannot follow; "
                "use euler, ddim or dpmpp_2m"
            )

        def advance(z: Tensor) -> Tensor:
            now = self._as_in_host(z, x, sigma)
            return self._as_in_core(now + (now - predict(now)) / sigma * (next_level - sigma), next_level)

        with ExitStack() as stack:
            stack.enter_context(training_mode(self.module))  # the host's fastest kernels have no backward
            for patch in self.patches:
                stack.enter_context(patch.held_attached())
            moved = self.guidance.guide(self._as_in_core(x, sigma), step, advance)
        moved = self._as_in_host(moved, x, next_level)
        return x + (moved - x) * (sigma / (sigma - next_level))

    def _step(self, number: int) -> Step:
        t, t_prev = self.levels[number : number + 2]
        return Step(number, len(self.sigmas) - 1, t, t_prev, [self.condition])

    def _as_in_core(self, x: Tensor, sigma: float) -> Tensor:
        return to_core(x) / self.convention.growth(sigma)

    def _as_in_host(self, z: Tensor, like: Tensor, sigma: float) -> Tensor:
        return to_host(z, like) * self.convention.growth(sigma)


def _list_levels(convention: Convention, sigmas: Tensor) -> list[float]:
    """Returns the noise levels of a sampling, noisiest first; a diffusion's down to the clean clip, also where the
    sampling stops before that.
    """
    found = sorted({convention.level(float(sigma)) for sigma in sigmas if sigma}, reverse=True)
    if not sigmas[-1] or isinstance(convention, FlowConvention):
        return found
    stride = max(1, int(found[0] - found[-1]) // max(1, len(found) - 1))
    return found + list(range(int(found[-1]) - stride, 0, -stride))


def _check_sampler(sampler: Any, sigmas: Tensor) -> None:
    name = getattr(getattr(sampler, "sampler_function", None), "__name__", "").removeprefix("sample_")
    if any(part in name for part in UNSUITED):
        raise OptionError(f"motion guidance does not fit the sampler {name}; use euler, ddim or dpmpp_2m")
    if bool((sigmas.diff() >= 0).any()):
        raise OptionError("motion guidance needs noise levels that fall at every step; use another scheduler")


def _make_denoiser(guider: Any, extra_args: dict[str, Any], key: str, like: Tensor) -> HostDenoiser:
    """Makes the denoiser of the method: one prompt and one clip at a time, without ControlNet."""
    positive = guider.conds.get("positive") or next(iter(guider.conds.values()))
    conditions = [[_without_control(entry) for entry in each] for each in (positive, guider.conds[key])]
    make_ordinary(conditions)
    options = comfy.model_patcher.create_model_options_clone(extra_args["model_options"])
    add_wrapper(WrappersMP.DIFFUSION_MODEL, _check_forward, options, is_model_options=True)
    return HostDenoiser(guider, {**extra_args, "model_options": options}, like, conditions)


def _without_control(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "control"}


def _check_forward(executor: Any, x: Tensor, timesteps: Tensor, *args: Any, **kwargs: Any) -> Any:
    options = find_options(args, kwargs)
    if find_window(options) is not None:
        raise OptionError(
            "motion guidance needs the whole clip at once and not sliding context windows; "
            "take the context options off the model"
        )
    if count_branches(options) != 1:
        raise OptionError("motion guidance takes one prompt at a time; do not combine several conditionings")
    return executor(x, timesteps, *args, **kwargs)


def _find_patches(model_options: dict[str, Any]) -> list[MotionPatch]:
    wrappers = get_all_wrappers(WrappersMP.DIFFUSION_MODEL, model_options, is_model_options=True)
    return [wrapper for wrapper in wrappers if isinstance(wrapper, MotionPatch)]
