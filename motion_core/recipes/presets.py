"""Named ways to learn, each with its source, and how what they learn is meant to be applied."""

from dataclasses import dataclass, field
from typing import Any

from ..diffusion.timesteps import Uniform
from ..errors import OptionError


@dataclass(frozen=True)
class Preset:
    """learn: fields of `LearnConfig`. apply: fields of `ApplyConfig`. source: where the numbers come from."""

    source: str
    learn: dict[str, Any]
    apply: dict[str, Any] = field(default_factory=dict)


STEADY: dict[str, Any] = {"steps": 200, "learning_rate": 0.15, "steady": True, "fast_kernels": True}
"""As much motion as 500 steps at 0.05 on the starter model, in less than half of the time, see the README."""

PRESETS: dict[str, Preset] = {
    "official": Preset(
        "Motion Inversion's published code, configs/config.yaml",
        {"steps": 400, "learning_rate": 2e-2, "objective": "noise_mse"},
    ),
    "paper": Preset(
        "Motion Inversion (Wang et al. 2024), implementation details",
        {"steps": 800, "learning_rate": 5e-2, "objective": "noise_mse"},
    ),
    "camera": Preset(
        "Motion Inversion's published code: the debiased loss for camera motion, applied without the value embedding",
        {"steps": 200, "learning_rate": 2e-2, "objective": "noise_mse+appearance_debiased"},
        {"strength_v": 0.0},
    ),
    "fast": Preset(
        "ours: few steps at a high rate, kept steady",
        {"objective": "noise_mse", **STEADY},
    ),
    "starter": Preset(
        "ours, for the starter model, by the table in the README",
        {
            "objective": "noise_mse",
            **STEADY,
            "sites": "all",
            "memory": "fast",
            "timesteps": Uniform(500, 1000),
            "colourings": 12,
        },
        {"debias": "mean", "branches": "conditional", "strength_v": 1.5, "end": 0.35},
    ),
}


def find_preset(name: str) -> Preset:
    """The preset of that name. Raises OptionError."""
    if name not in PRESETS:
        raise OptionError(f"preset is {name!r}; use one of {', '.join(PRESETS)}")
    return PRESETS[name]
