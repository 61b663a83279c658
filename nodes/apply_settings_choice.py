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


def describe_settings(choice: str, motion: Motion, applied: ApplySettings) -> str:
    """Returns two short lines: what the motion suggests, and what is in effect. applied: of `choose_settings`."""
    suggested, chosen = _words(suggested_settings(motion), motion), _words(applied, motion)
    shown = ", ".join(words for name, words in suggested.items() if (name, words) != ("fade", "fade 0"))
    first = "The motion suggests" if motion.origin.suggestion else "The motion suggests nothing; the usual"
    others = ", ".join(words for name, words in chosen.items() if words != suggested[name])
    by = "" if choice == MOTIONS else ", by the widgets"
    return f"{first}: {shown}.\nIn effect{by}: {f'{others}; else as suggested' if others else 'these'}."


def _words(settings: ApplySettings, motion: Motion) -> dict[str, str]:
    """Each setting in words, by what it concerns."""
    shared = [each.name for each in fields(ApplySettings)]
    values = {each.name: getattr(settings, each.name) for each in fields(settings)}
    if values.get("debias") == "none":
        values["debias"] = getattr(motion, "debiased_by", "none")  # as a Debias node left it
    words = {name: f"{name} {_short(value)}" for name, value in values.items() if name not in shared}
    part = f"{settings.start:g} to {settings.end:g}"
    return {**words, "branches": f"branches {settings.branches}", "part": part, "fade": f"fade {settings.fade:g}"}


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
