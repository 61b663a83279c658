"""The core's `Denoiser` over a MODEL that the host is sampling with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_management
import comfy.samplers
import torch
from torch import Tensor, nn

from ...motion_core.diffusion.schedule import NoiseSchedule
from ...motion_core.errors import ModelError
from .attention import with_backward
from .exact_forward import ExactForward, predicts_noise, predicts_velocity
from .inference_mode import Conditioning
from .latents import to_core, to_host
from .video_model import find_attention_owner

ALL_MEMORY = 1e20
"""More bytes than there are, so that the host unloads all other models. Its own training asks for as much."""


class HostDenoiser:
    """A core `Denoiser` over a MODEL. A condition is the host's own, one of `conditions`.

    extra_args: what the host hands to its samplers. frames: of the clip that the host samples; modules that are put in
    for a sampling (AnimateDiff-Evolved's) take no other number. conditions: as that sampling prepared them.
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

    def to_clip(self, latents: Tensor, like: Tensor) -> Tensor:
        """Turns latents (N, C, h, w) of a LATENT into a clip of the core."""
        return to_core(self.base.process_latent_in(latents.clone().to(like)))

    def to_latents(self, clip: Tensor) -> Tensor:
        """Turns a clip of the core into latents (N, C, h, w) of a LATENT."""
        return self.base.process_latent_out(to_host(clip))

    def find_free(self, device: torch.device) -> int:
        """Returns the bytes that are free on the device or that the host gives back."""
        find: Callable[[torch.device], int] = getattr(
            self.patcher, "get_free_memory", comfy.model_management.get_free_memory
        )
        return int(find(device))

    def reload(self) -> None:
        """Loads the model whole again, after others (VAE, CLIP) may have taken its place during training."""
        load_whole(self.patcher)

    def _predict_clip(self, z: Tensor, t: Tensor, condition: Conditioning) -> Tensor:
        """Predicts with the host's own sampling function, which works on z / sqrt(alpha_bar), frame by frame."""
        comfy.model_management.throw_exception_if_processing_interrupted()
        abar = self.schedule.alpha_bar(t, z)
        sigma = ((1 - abar) / abar).sqrt()
        frames = z.shape[2]
        given = z.expand(-1, -1, self.least_frames, -1, -1) if frames == 1 else z  # a still clip, where it needs one
        x = to_host(given / abar.sqrt())
        forward = ExactForward(to_host(given))
        # looked up late: AnimateDiff-Evolved puts its own there for a sampling
        x0 = comfy.samplers.sampling_function(
            self.base,
            x,
            sigma.flatten().expand(len(x)).float(),
            None,
            condition,
            1.0,
            forward.added_to(self.options),
            self.seed,
        )
        return self._read_noise(z, t, forward.output, (x - x0) / sigma[0])

    def _read_noise(self, z: Tensor, t: Tensor, output: Tensor | None, rounded: Tensor) -> Tensor:
        """Returns the noise from the model's own output where there is one. rounded: computed back from its x0."""
        sampling, frames = self.base.model_sampling, z.shape[2]
        if output is None or not (predicts_noise(sampling) or predicts_velocity(sampling)):
            return to_core(rounded[:frames]).to(z.dtype)
        exact = to_core(output[:frames]).to(z.dtype)
        return self.schedule.velocity_to_noise(z, exact, t) if predicts_velocity(sampling) else exact


def schedule_of(model_sampling: Any) -> NoiseSchedule:
    """Returns the core's schedule of a MODEL. Raises ModelError for one that adds noise in another way."""
    if not hasattr(model_sampling, "sigmas") or not hasattr(model_sampling, "sigma_data"):
        raise ModelError("this model is no diffusion model with a noise schedule; load AnimateDiff, ZeroScope or like")
    return NoiseSchedule(1 / (model_sampling.sigmas.double().cpu().square() + 1))


def load_whole(model: Any) -> None:
    """Loads all of MODEL, and lets everything else make room for a backward."""
    comfy.model_management.load_models_gpu([model], memory_required=ALL_MEMORY, force_full_load=True)


def _without_guidance(model_options: dict[str, Any]) -> dict[str, Any]:
    """Returns options under which the host gives the model's prediction under the prompt alone."""
    removed = ("sampler_pre_cfg_function", "sampler_cfg_function", "disable_cfg1_optimization")
    kept = {name: option for name, option in model_options.items() if name not in removed}
    return {**kept, "sampler_post_cfg_function": [lambda args: args["cond_denoised"]]}
