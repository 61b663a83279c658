"""MotionMatcher's loss: the frozen model's attention maps of the next latents are compared with the reference's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..diffusion.denoiser import Condition, Denoiser
from ..diffusion.objectives import attention_feature_match
from ..errors import ModelError
from ..hooks.attention_maps import averaged, capture
from ..models.families import Recognized

WEIGHTS = {"temporal": 2000.0, "cross": 2000.0}
"""Temporal self-attention tells how objects move, cross-attention how the camera frames them."""


@dataclass(frozen=True)
class FeatureSites:
    """The attentions that are compared: names of temporal self-attentions and of cross-attentions to the text."""

    temporal: list[str]
    cross: list[str]

    @classmethod
    def find(cls, model: Recognized) -> FeatureSites:
        """Finds the deepest level on the way down that has both: `down_blocks.2` of ZeroScope. Raises ModelError."""
        temporal, cross = model.sites, model.family.list_cross_attentions(model.module)
        homes = {_home(site.name) for site in temporal} & {_home(site.name) for site in cross}
        downs = sorted(home for home in homes if home.startswith("down"))
        if not downs:
            raise ModelError(
                "this model has no level with attention both to the text and along time; use another recipe"
            )
        return cls(
            [site.name for site in temporal if _home(site.name) == downs[-1]],
            [site.name for site in cross if _home(site.name) == downs[-1]],
        )


def extract(
    denoiser: Denoiser, sites: FeatureSites, z: Tensor, t: Tensor, *, conditions: Sequence[Condition]
) -> dict[str, Tensor]:
    """Returns maps by kind, averaged over heads and layers: temporal (B, HW, N, N), cross (B, N, HW, words).

    z: (B, C, N, h, w) at timestep t (B,). The forward ends with the last map.
    """
    with capture(denoiser.module, [*sites.temporal, *sites.cross], clips=len(z), stop=True) as maps:
        denoiser.predict(z, t, conditions)
    named = {"temporal": sites.temporal, "cross": sites.cross}
    return {kind: averaged({name: maps[name] for name in names}) for kind, names in named.items()}


def match_features(
    denoiser: Denoiser,
    sites: FeatureSites,
    z: Tensor,
    t: Tensor,
    *,
    predicted: Tensor,
    target: Tensor,
    conditions: Sequence[Condition],
) -> Tensor:
    """Compares the features after one DDIM step along `predicted` with those after one along `target`, the noise in z.

    Tensors as in `extract`. The denoiser is used as it is: switch an adapter off first.
    """
    before = (t - 1).clamp(min=0)
    schedule = denoiser.schedule
    with torch.no_grad():
        wanted = extract(denoiser, sites, schedule.step(z, target, t, before), before, conditions=conditions)
    found = extract(denoiser, sites, schedule.step(z, predicted, t, before), before, conditions=conditions)
    return attention_feature_match(found, wanted, WEIGHTS)


def _home(name: str) -> str:
    """`down_blocks.2` of `down_blocks.2.temp_attentions.0...`."""
    return ".".join(name.split(".")[:2])
