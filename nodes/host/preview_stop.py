"""Scores previews of a motion while it is trained, inside the host's own sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from ...motion_core.hooks.applied import AppliedMotion
from ...motion_core.metrics.clip_scores import text_similarity
from ...motion_core.motions.motion import Motion
from ...motion_core.recipes.recipe import Recipe
from ...motion_core.sampling.sample import sample
from ...motion_core.training.early_stop import AppearanceStop, StopSettings
from .clip_features import encode_frames
from .conditioning import Conditioning
from .denoiser import HostDenoiser
from .latents import to_host


@dataclass(frozen=True)
class PreviewStop:
    """When previews are made, and of what, as the sockets carry it. target: (1, D), CLIP's feature of the prompt."""

    settings: StopSettings
    positive: Any
    negative: Any
    target: Tensor
    clip_vision: Any
    vae: Any
    steps: int
    cfg: float
    seed: int

    @property
    def conditionings(self) -> list[Any]:
        """Positive and negative, in the order in which `start` takes them."""
        return [self.positive, self.negative]

    def start(
        self, denoiser: HostDenoiser, like: Tensor, recipe: Recipe, conditions: Sequence[Conditioning]
    ) -> AppearanceStop:
        """Makes a stop whose previews are as large as `like` (1, C, N, h, w). conditions: positive and negative."""
        noise = torch.randn(like.shape, generator=torch.Generator().manual_seed(self.seed)).to(like)
        positive, negative = conditions

        def score(motion: Motion) -> float:
            latents = sample(
                denoiser,
                noise,
                [positive],
                negative,
                motions=[AppliedMotion.of(motion, **recipe.apply)],
                steps=self.steps,
                scale=self.cfg,
                progress=_stop_if_cancelled,
                apart=True,
            )
            similarity = self._score(denoiser.base.process_latent_out(to_host(latents, denoiser.like)))
            denoiser.take_memory_back()
            return similarity

        return AppearanceStop(self.settings, score)

    @torch.inference_mode()
    def _score(self, latents: Tensor) -> float:
        images = self.vae.decode(latents)[..., :3]
        return text_similarity(encode_frames(self.clip_vision, images), self.target).item()


def _stop_if_cancelled(_step: int, _steps: int) -> None:
    comfy.model_management.throw_exception_if_processing_interrupted()
