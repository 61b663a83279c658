"""The host's MODEL as a `Denoiser` of the core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_base
import comfy.model_management
import comfy.samplers
import torch
from comfy.model_patcher import create_model_options_clone
from comfy.patcher_extension import WrappersMP, add_wrapper
from torch import Tensor, nn

from ...motion_core.diffusion.schedule import NoiseSchedule
from ...motion_core.errors import ModelError
from .attention import with_backward
from .latents import to_core, to_host
from .loading import load_whole
from .ordinary_tensors import Conditioning
from .video_model import find_attention_owner


class HostDenoiser:
    """A core `Denoiser` over a MODEL that the host is sampling with. A condition is the host's own conditioning.

    extra_args: what the host passes to its samplers; frames: of the clip that the host samples, since modules that
    are put in for a sampling (AnimateDiff-Evolved's) take no other number; conditions: as that sampling prepared them.
    """

    def __init__(
        self,
        guider: comfy.samplers.CFGGuider,
        extra_args: dict[str, Any],
        frames: int,
        conditions: Sequence[Conditioning],
    ):
        self.conditions = conditions
        self.options = with_backward(_without_guidance(extra_args["model_options"]))
        self.seed = extra_args.get("seed")
        self.least_frames = frames if guider.model_patcher.injections else 1
        self.patcher, self.base = guider.model_patcher, guider.inner_model
        self.module: nn.Module = find_attention_owner(self.base.diffusion_model)
        self.schedule = schedule_of(self.base.model_sampling)

    def predict(self, z: Tensor, t: Tensor, conditions: Sequence[Conditioning]) -> Tensor:
        """Predicts the noise in z (B, C, N, h, w) at timesteps t (B,), one clip after another."""
        clips = zip(z.split(1), t.split(1), conditions, strict=True)
        return torch.cat([self._predict_clip(*clip) for clip in clips])

    def find_free(self, device: torch.device) -> int:
        """Returns the bytes that are free on the device or that the host would free."""
        find: Callable[[torch.device], int] = getattr(
            self.patcher, "get_free_memory", comfy.model_management.get_free_memory
        )
        return int(find(device))

    def take_memory_back(self) -> None:
        """Loads the model whole again, after others (VAE, CLIP) may have taken its place during training."""
        load_whole(self.patcher)

    def _predict_clip(self, z: Tensor, t: Tensor, condition: Conditioning) -> Tensor:
        """The host works on z / sqrt(alpha_bar), frame by frame."""
        comfy.model_management.throw_exception_if_processing_interrupted()
        abar = self.schedule.alpha_bar(t, z)
        sigma = ((1 - abar) / abar).sqrt()
        frames, count = to_host(z), z.shape[2]
        if count == 1:  # a still clip, where the model takes no single frame
            frames = frames.expand(self.least_frames, -1, -1, -1)
        forward = ExactForward(frames)
        options = create_model_options_clone(self.options)
        add_wrapper(WrappersMP.DIFFUSION_MODEL, forward, options, is_model_options=True)
        scaled, sigmas = frames / abar.flatten().sqrt(), sigma.flatten().expand(len(frames)).float()
        # looked up now, since AnimateDiff-Evolved replaces it for a sampling
        x0 = comfy.samplers.sampling_function(self.base, scaled, sigmas, None, condition, 1.0, options, self.seed)
        output = self._to_noise(forward.output, z, t, count)
        if output is not None:
            return output
        return to_core((scaled - x0)[:count] / sigma.flatten()).to(z.dtype)

    def _to_noise(self, output: Tensor | None, z: Tensor, t: Tensor, count: int) -> Tensor | None:
        """The noise that the model's output means, or None where that is unknown."""
        kind = self.base.model_type
        if output is None or kind not in (comfy.model_base.ModelType.EPS, comfy.model_base.ModelType.V_PREDICTION):
            return None
        clip = to_core(output[:count]).to(z.dtype)
        velocity = kind == comfy.model_base.ModelType.V_PREDICTION
        return self.schedule.velocity_to_noise(z, clip, t) if velocity else clip


class ExactForward:
    """A wrapper around the diffusion model that gives it the core's latents and records its output.

    The host scales latents to its own convention and back, which rounds. With this, a motion that is trained in the
    host is the same to the bit as one that is trained by the command line. latents: (N, C, h, w).
    """

    def __init__(self, latents: Tensor):
        self.latents = latents
        self.outputs: list[Tensor | None] = []

    def __call__(self, executor: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        whole = x.shape == self.latents.shape  # else a part of the clip, or with further channels
        output = executor(self.latents.to(x) if whole else x, *args, **kwargs)
        self.outputs.append(output if whole else None)
        return output

    @property
    def output(self) -> Tensor | None:
        """The model's output where it ran once, on the whole clip."""
        return self.outputs[0] if len(self.outputs) == 1 else None


def schedule_of(model_sampling: Any) -> NoiseSchedule:
    """Returns the core's schedule of a MODEL. Raises ModelError for one that is no diffusion model."""
    if not hasattr(model_sampling, "sigmas") or not hasattr(model_sampling, "sigma_data"):
        raise ModelError("this model is no diffusion model with a noise schedule; load AnimateDiff, ZeroScope or like")
    exact = getattr(model_sampling, "alpha_bars", None)
    rounded = 1 / (model_sampling.sigmas.double().cpu().square() + 1)
    return NoiseSchedule(rounded if exact is None else exact)


def _without_guidance(model_options: dict[str, Any]) -> dict[str, Any]:
    """Returns the options under which the host returns the model's prediction for the prompt alone."""
    changing = ("sampler_pre_cfg_function", "sampler_cfg_function", "disable_cfg1_optimization")
    kept = {name: option for name, option in model_options.items() if name not in changing}
    return {**kept, "sampler_post_cfg_function": [lambda args: args["cond_denoised"]]}
