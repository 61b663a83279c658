"""The host's MODEL as a `Denoiser` of the core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_management
import comfy.samplers
import torch
from comfy.model_patcher import create_model_options_clone
from comfy.patcher_extension import WrappersMP, add_wrapper
from torch import Tensor, nn

from ...motion_core.diffusion.schedule import Schedule
from .attention import with_backward
from .conditioning import Conditioning, cut_frames
from .conventions import find_convention
from .latents import count_frames, is_video, to_core, to_host
from .loading import load_whole
from .video_model import find_attention_owner


class HostDenoiser:
    """A core `Denoiser` over a MODEL that the host is sampling with. A condition is the host's own conditioning.

    extra_args: what the host passes to its samplers; like: latents that the host samples; conditions: as that sampling
    prepared them.
    """

    def __init__(
        self,
        guider: comfy.samplers.CFGGuider,
        extra_args: dict[str, Any],
        like: Tensor,
        conditions: Sequence[Conditioning],
    ):
        self.conditions, self.like = conditions, like
        self.options = with_backward(_without_guidance(extra_args["model_options"]))
        self.seed = extra_args.get("seed")
        # modules that are put in for a sampling (AnimateDiff-Evolved's) take no other number
        self.least_frames = count_frames(like) if guider.model_patcher.injections else 1
        self.patcher, self.base = guider.model_patcher, guider.inner_model
        self.module: nn.Module = find_attention_owner(self.base.diffusion_model)
        self.convention = find_convention(self.base.model_sampling, self.base.model_type)
        self.schedule: Schedule = self.convention.schedule

    def predict(self, z: Tensor, t: Tensor, conditions: Sequence[Conditioning]) -> Tensor:
        """Predicts what the schedule says for z (B, C, N, h, w) at noise levels t (B,), one clip after another."""
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
        comfy.model_management.throw_exception_if_processing_interrupted()
        latents, frames = to_host(z, self.like), z.shape[2]
        if frames == 1 and not is_video(latents):  # a still clip, where the model takes no single frame
            latents = latents.expand(self.least_frames, -1, -1, -1)
        forward = ExactForward(latents)
        options = create_model_options_clone(self.options)
        add_wrapper(WrappersMP.DIFFUSION_MODEL, forward, options, is_model_options=True)
        scaled = self.convention.scaled(latents, t)
        sigmas = self.convention.sigma(t).float().to(scaled.device).expand(len(latents))
        # looked up now, since AnimateDiff-Evolved replaces it for a sampling
        fitting = cut_frames(condition, count_frames(self.like), frames) if is_video(latents) else condition
        x0 = comfy.samplers.sampling_function(self.base, scaled, sigmas, None, fitting, 1.0, options, self.seed)
        if forward.output is not None:
            output = to_core(forward.output)[:, :, :frames].to(z.dtype)
            predicted = self.convention.prediction(output, z, t)
            if predicted is not None:
                return predicted
        predicted = self.convention.prediction_of_clean(scaled, x0, t)
        return to_core(predicted)[:, :, :frames].to(z.dtype)


class ExactForward:
    """A wrapper around the diffusion model that gives it the core's latents and records its output.

    The host scales latents to its own convention and back, which rounds. With this, a motion that is trained in the
    host is the same to the bit as one that is trained by the command line. latents: in the host's layout.
    """

    def __init__(self, latents: Tensor):
        self.latents = latents
        self.outputs: list[Tensor | None] = []

    def __call__(self, executor: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        whole = len(x) == len(self.latents) and x.shape[2:] == self.latents.shape[2:]  # else a part of the clip
        if whole:
            further = x[:, self.latents.shape[1] :]  # channels, such as an image's
            x = torch.cat([self.latents.to(x), further], 1) if further.shape[1] else self.latents.to(x)
        output = executor(x, *args, **kwargs)
        self.outputs.append(output if whole and output.shape == self.latents.shape else None)
        return output

    @property
    def output(self) -> Tensor | None:
        """The model's output where it ran once, on the whole clip."""
        return self.outputs[0] if len(self.outputs) == 1 else None


def _without_guidance(model_options: dict[str, Any]) -> dict[str, Any]:
    """Returns the options under which the host returns the model's prediction for the prompt alone."""
    changing = ("sampler_pre_cfg_function", "sampler_cfg_function", "disable_cfg1_optimization")
    kept = {name: option for name, option in model_options.items() if name not in changing}
    return {**kept, "sampler_post_cfg_function": [lambda args: args["cond_denoised"]]}
