"""The widget that says whose settings a motion is applied by, and what the node then shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from comfy_api.latest import io

from ..motion_core.motions.apply_settings import ApplySettings
from ..motion_core.motions.motion import Motion, suggested_settings
from .choice import offer_choice, tell_frontend

MOTIONS, OWN = "motion's", "own"


def settings_choice(widgets: Sequence[str]) -> io.Combo.Input:
    """Makes the input. widgets: the node's own settings, which are hidden under the motion's."""
    choice = offer_choice(
        "settings",
        {MOTIONS: widgets, OWN: ()},
        default=MOTIONS,
        optional=True,
        tooltip="motion's: as the motion suggests, shown on the node after a run. own: as the widgets say.",
    )
    return tell_frontend(choice, when_missing=OWN)


def choose_settings(choice: str, motion: Motion, **own: Any) -> Any:
    """Returns the settings of a motion: those that it suggests, or the node's own. Raises OptionError."""
    return suggested_settings(motion) if choice == MOTIONS else motion.settings_type(**own)


def describe_settings(settings: ApplySettings) -> str:
    """Returns two short lines: strengths and the like, then the part of guidance and of sampling."""
    shared = [each.name for each in fields(ApplySettings)]
    own = [each.name for each in fields(settings) if each.name not in shared]
    return "\n".join(", ".join(f"{name} {getattr(settings, name)}" for name in names) for names in (own, shared))
