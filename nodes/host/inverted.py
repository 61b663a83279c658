"""Initial noise in the host's two conventions.

A NOISE is unit noise, which the host scales to the first sigma. A LATENT that a sampler starts from with added noise
switched off is noise * sqrt(1 + sigma^2), in the scale of latents. A flow starts from pure noise, where the host takes
nothing of the LATENT: there the NOISE is the one to use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...motion_core.diffusion.initial_noise import mix
from ...motion_core.errors import OptionError
from ...motion_core.sampling.inversion import invert
from .conventions import find_convention
from .denoiser import HostDenoiser
from .latents import to_host
from .progress import sampling_progress
from .sampling_job import run_in_host

_KEY = "motion_inversion"
"""The key under which an inverted LATENT keeps its `InvertedNoise`."""


@dataclass(frozen=True)
class InvertedNoise:
    """noise: unit, in the host's layout. scale: of latents that sampling starts from. latent_format: the host's, to
    unscale them.
    """

    noise: Tensor
    scale: float
    latent_format: Any

    def as_latent(self, noise: Tensor) -> dict[str, Any]:
        return {"samples": self.latent_format.process_out(noise * self.scale), _KEY: self}


@dataclass(frozen=True)
class MixedNoise:
    """A NOISE socket: the mixture, for a latent of its shape. seed: as the host's samplers ask for it."""

    noise: Tensor
    seed: int

    def generate_noise(self, input_latent: dict[str, Any]) -> Tensor:
        wanted = tuple(input_latent["samples"].shape)
        if wanted != tuple(self.noise.shape):
            raise OptionError(
                f"the noise was mixed for latents of shape {tuple(self.noise.shape)} and the sampler's are {wanted}; "
                "give the sampler an empty latent of the reference's frames and size"
            )
        return self.noise.clone()


def make_inverted(model: Any, latents: Tensor, conditioning: Any, steps: int) -> dict[str, Any]:
    """Returns inverted noise as a LATENT. Sampling with `ddim_uniform` in as many steps starts from it."""
    noise = invert_to_noise(model, latents, conditioning, steps)
    convention = find_convention(model.get_model_object("model_sampling"))
    scale = convention.noise_scale(convention.schedule.levels(steps)[0])
    return InvertedNoise(noise, scale, model.get_model_object("latent_format")).as_latent(noise)


def invert_to_noise(model: Any, latents: Tensor, conditioning: Any, steps: int) -> Tensor:
    """Returns unit noise, in the layout of latents, from which sampling in `steps` steps would lead back to them."""

    def work(denoiser: HostDenoiser, clip: Tensor) -> Tensor:
        return invert(denoiser, clip, denoiser.conditions[0], steps, progress=sampling_progress(steps))

    return to_host(run_in_host(model, [conditioning], latents, work), latents).cpu()


def mix_noise(inverted: dict[str, Any], method: str, *, beta: float, factor: int, seed: int) -> tuple[MixedNoise, dict]:
    """Returns NOISE and LATENT of one mixture. Raises OptionError when the latent does not come from an inversion."""
    kept = inverted.get(_KEY)
    if not isinstance(kept, InvertedNoise):
        raise OptionError("this latent is no inverted noise; connect Invert Reference Video")
    random = torch.randn(kept.noise.shape, generator=torch.Generator().manual_seed(seed))
    mixed = mix(method, kept.noise.float(), random, beta=beta, factor=factor)
    return MixedNoise(mixed, seed), kept.as_latent(mixed)
