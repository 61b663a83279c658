"""Scores previews of what is being trained, inside the host's own sampling."""

from __future__ import annotations

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
from .denoiser import HostDenoiser


@dataclass(frozen=True)
class PreviewScore:
    """How previews are made and scored, as the socket carries it. target: (1, D), CLIP's feature of the prompt."""

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
        """What `observe` needs as the last conditions of the denoiser."""
        return [self.positive, self.negative]

    def observe(self, denoiser: HostDenoiser, like: Tensor, recipe: Recipe) -> AppearanceStop:
        """Returns an observer of training whose previews have the shape of `like` (1, C, N, h, w)."""
        noise = torch.randn(like.shape, generator=torch.Generator().manual_seed(self.seed)).to(like)
        positive, negative = denoiser.conditions[-len(self.conditionings) :]

        def score(motion: Motion) -> float:
            clip = sample(
                denoiser,
                noise,
                [positive],
                negative,
                motions=[AppliedMotion.of(motion, **recipe.apply)],
                steps=self.steps,
                scale=self.cfg,
                progress=_stop_if_cancelled,
            )
            similarity = self._score(denoiser.to_latents(clip))
            denoiser.reload()
            return similarity

        return AppearanceStop(self.settings, score)

    @torch.inference_mode()
    def _score(self, latents: Tensor) -> float:
        images = self.vae.decode(latents)[..., :3]
        return text_similarity(encode_frames(self.clip_vision, images), self.target).item()


def _stop_if_cancelled(_step: int, _steps: int) -> None:
    comfy.model_management.throw_exception_if_processing_interrupted()
