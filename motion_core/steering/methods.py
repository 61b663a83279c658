"""The methods by name, as published and as they suit the starter model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .dmt import DmtConfig
from .motion_clone import MotionCloneConfig

Config = DmtConfig | MotionCloneConfig


@dataclass(frozen=True)
class Method:
    """source: where the numbers come from; config: its settings; sampling: fields of `GenerateConfig` to go with it."""

    source: str
    config: Config
    sampling: dict[str, Any] = field(default_factory=dict)


METHODS: dict[str, Method] = {
    "dmt": Method(
        "DMT (Yatim et al. 2024) and its published code, configs/guidance_config.yaml",
        DmtConfig(),
        {"steps": 50, "guidance": 10.0, "noise": "low_frequency_replace", "factor": 4},
    ),
    "motion_clone": Method(
        "MotionClone (Ling et al. 2024) and its published code, configs/t2v_camera.yaml",
        MotionCloneConfig(),
        {"steps": 100, "guidance": 8.5, "noise": "random"},
    ),
}
STARTER_METHODS: dict[str, Method] = {
    "dmt": Method(
        "ours, by trial on the starter model: the means of its first block on the way up tell motions apart",
        DmtConfig(
            block="up_blocks.0",
            distance="cosine",
            optimisation_steps=5,
            learning_rate=0.1,
            last_learning_rate=0.05,
            start=0.1,
            end=0.7,
            restart_end=0.0,
            memory="fast",
        ),
        {"steps": 16, "guidance": 6.0, "noise": "low_frequency_replace", "factor": 4},
    ),
    "motion_clone": Method(
        "ours, by trial on the starter model: a motion shows in its attention once the noise is not the strongest",
        MotionCloneConfig(weight=3e4, start=0.15, end=0.8, memory="fast"),
        {"steps": 16, "guidance": 6.0, "noise": "random"},
    ),
}
"""The same methods where the model is small and sampled in few steps."""
