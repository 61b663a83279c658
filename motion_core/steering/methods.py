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
        "ours, by trial on the starter model",
        DmtConfig(block="up_blocks.0", learning_rate=0.05, last_learning_rate=0.03, restart_end=0.0, memory="fast"),
        {"steps": 25, "guidance": 6.0, "noise": "low_frequency_replace", "factor": 4},
    ),
    "motion_clone": Method(
        "ours, by trial on the starter model",
        MotionCloneConfig(block="up_blocks.0", memory="fast"),
        {"steps": 25, "guidance": 6.0, "noise": "random"},
    ),
}
"""The same methods where the model has two levels and is sampled in few steps."""
