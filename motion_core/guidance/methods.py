"""The guidance methods by name, as published and as they suit the starter model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from torch import Tensor

from ..diffusion.denoiser import Condition, Denoiser
from ..errors import OptionError
from ..progress import Progress
from ..sampling.inversion import trace_inversion
from .dit_flow import DitFlow, DitFlowConfig
from .dmt import Dmt, DmtConfig
from .motion_clone import MotionClone, MotionCloneConfig

Config = DmtConfig | MotionCloneConfig | DitFlowConfig
PreparedGuidance = Dmt | MotionClone | DitFlow


@dataclass(frozen=True)
class GuidanceMethod:
    """A method with its numbers. source: where they come from; config: its settings; sampling: fields of
    `GenerateConfig` that belong to it.
    """

    name: str
    source: str
    config: Config
    sampling: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> set[str]:
        """The names of its settings."""
        return {own.name for own in fields(self.config)}

    def configure(self, strength: float = 1.0, **given: Any) -> Config:
        """Returns its settings, changed by what is given and not None. strength: of the guidance, 0 for none.

        Raises OptionError, also for a setting of another method.
        """
        if not (math.isfinite(strength) and strength >= 0):
            raise OptionError(f"strength is {strength}; choose 0 (off) or more (1 is as the preset has it)")
        known = {name: value for name, value in given.items() if value is not None}
        for name in known.keys() - self.settings:
            raise OptionError(f"{name} is {known[name]}, and {self.name} has no such setting; leave it out")
        return replace(self.config, **known).scaled(strength)


METHODS: dict[str, GuidanceMethod] = {
    "dmt": GuidanceMethod(
        "dmt",
        "DMT (Yatim et al. 2024) and its published code, configs/guidance_config.yaml",
        DmtConfig(),
        {"steps": 50, "guidance": 10.0, "noise": "low_frequency_replace", "factor": 4},
    ),
    "motion_clone": GuidanceMethod(
        "motion_clone",
        "MotionClone (Ling et al. 2024) and its published code, configs/t2v_camera.yaml",
        MotionCloneConfig(),
        {"steps": 100, "guidance": 8.5, "noise": "random"},
    ),
    "dit_flow": GuidanceMethod(
        "dit_flow",
        "DiTFlow (Pondaven et al. 2025) and its published code, configs/guidance_config.yaml",
        DitFlowConfig(),
        {"steps": 50, "guidance": 7.0, "noise": "random"},
    ),
}
STARTER_METHODS: dict[str, GuidanceMethod] = {
    "dmt": GuidanceMethod(
        "dmt",
        "ours, by trial on the starter model: the means of its first block on the way up tell motions apart",
        DmtConfig(
            block="up_blocks.0",
            distance="cosine",
            optimisation_steps=5,
            learning_rate=0.2,
            last_learning_rate=0.1,
            start=0.1,
            end=0.7,
            memory="fast",
        ),
        {"steps": 16, "guidance": 6.0, "noise": "low_frequency_replace", "factor": 4},
    ),
    "motion_clone": GuidanceMethod(
        "motion_clone",
        "ours, by trial on the starter model: a motion shows in its attention once the noise is not the strongest",
        MotionCloneConfig(weight=1.2e4, start=0.15, end=0.8, memory="fast"),
        {"steps": 56, "guidance": 6.0, "noise": "random"},
    ),
    "dit_flow": GuidanceMethod(
        "dit_flow",
        "ours, by trial on three clips: the middle of the Wan starter says little of motion, what follows does",
        DitFlowConfig(depth=0.7, temperature=4.0, learning_rate=0.07, last_learning_rate=0.04, end=0.7, memory="fast"),
        {"steps": 16, "guidance": 6.0, "noise": "random"},
    ),
}
"""The same methods where the model is small and sampled in few steps."""
PRESETS = {"published": METHODS, "starter": STARTER_METHODS}


def find_method(name: str, preset: str = "published") -> GuidanceMethod:
    """Finds a method by name in a preset. Raises OptionError."""
    if preset not in PRESETS:
        raise OptionError(f"preset is {preset!r}; use one of {', '.join(PRESETS)}")
    if name not in PRESETS[preset]:
        raise OptionError(f"method is {name!r}; use one of {', '.join(PRESETS[preset])}")
    return PRESETS[preset][name]


def prepare_guidance(
    denoiser: Denoiser,
    latents: Tensor,
    condition: Condition,
    config: Config,
    *,
    levels: Sequence[float],
    progress: Progress | None = None,
) -> PreparedGuidance:
    """Makes a method ready to guide a sampling by a reference of the same size.

    latents: (1, C, N, h, w); condition: of a prompt of the reference for DMT, of the empty one for the others;
    levels: of the sampling, noisiest first; progress: of DMT's inversion. Raises OptionError, ModelError.
    """
    if isinstance(config, MotionCloneConfig):
        return MotionClone.of(denoiser, latents, condition, config)
    if isinstance(config, DitFlowConfig):
        return DitFlow.of(denoiser, latents, condition, config)
    reference = trace_inversion(denoiser, latents, condition, levels, progress=progress)
    return Dmt(denoiser, reference, condition, config)
