"""The `settings` of the nodes that apply a motion: what the motion suggests, or the node's widgets."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.motions.motion import Motion, suggested_settings
from .choice import offer_choice

MOTIONS, OWN = "motion's", "own"


def offer_settings(*widgets: str) -> io.Combo.Input:
    """Makes the input. widgets: the node's own settings, hidden where the motion's hold."""
    return offer_choice(
        "settings",
        {MOTIONS: widgets, OWN: ()},
        when_missing=OWN,
        default=MOTIONS,
        optional=True,
        tooltip="motion's: as the motion suggests, which the node shows after a run; a reference's appearance is taken "
        "out where Debias has not done so. own: the widgets of this node.",
    )


def choose_settings(settings: str, motion: Motion, own: Any) -> tuple[Any, str]:
    """Returns the settings that hold, and a text of them, one a line."""
    chosen = suggested_settings(motion) if settings == MOTIONS else own
    values = vars(chosen)
    debiased_by = getattr(motion, "debiased_by", "none")
    if debiased_by != "none":
        values = {**values, "debias": debiased_by}
    return chosen, "\n".join(f"{name} {value}" for name, value in values.items())
