"""Looks at previews of what is being learnt, inside the host's own sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from ...motion_core.metrics.clip_scores import text_similarity
from ...motion_core.motions.adapter import Adapter
from ...motion_core.recipes.recipe import Recipe
from ...motion_core.sampling.sample import AdaptConfig, AppliedAdapter, sample
from ...motion_core.training.early_stop import AppearanceStop, StopConfig
from .clip_features import encode_frames
from .running import HostDenoiser, number_of_text


@dataclass(frozen=True)
class Watch:
    """When to look, and at what, as the sockets carry it. wanted: (1, D), CLIP's feature of what is to be seen."""

    config: StopConfig
    positive: Any
    negative: Any
    wanted: Tensor
    clip_vision: Any
    vae: Any
    steps: int
    cfg: float
    seed: int

    @property
    def conditionings(self) -> list[Any]:
        """What `start` asks for by number: towards and away."""
        return [self.positive, self.negative]

    def start(self, denoiser: HostDenoiser, like: Tensor, recipe: Recipe, number: int) -> AppearanceStop:
        """A stop whose previews are as large as `like` (1, C, N, h, w); number: of the first of `conditionings`."""
        noise = torch.randn(like.shape, generator=torch.Generator().manual_seed(self.seed)).to(like)
        towards, away = (number_of_text(number + place, like.device) for place in range(2))

        def score(adapter: Adapter) -> float:
            motion = AppliedAdapter(adapter, AdaptConfig(**recipe.apply))
            latents = sample(denoiser, noise, towards, away, [motion], self.steps, self.cfg, _stop_if_cancelled)
            similarity = self._judge(denoiser.base.process_latent_out(latents[0].transpose(0, 1)))
            denoiser.take_memory_back()
            return similarity

        return AppearanceStop(self.config, score)

    @torch.inference_mode()
    def _judge(self, latents: Tensor) -> float:
        images = self.vae.decode(latents)[..., :3]
        return text_similarity(encode_frames(self.clip_vision, images), self.wanted).item()


def _stop_if_cancelled(_step: int, _steps: int) -> None:
    comfy.model_management.throw_exception_if_processing_interrupted()
