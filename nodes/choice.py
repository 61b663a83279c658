"""Inputs that the frontend hides where they have no use: see `web/js/unused_widgets.js`. Without it nothing is hidden
and everything works.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from comfy_api.latest import io

AnyInput = TypeVar("AnyInput", bound=io.Input)


def offer_choice(
    name: str, unused: Mapping[str, Iterable[str]], *, when_missing: str | None = None, **rest: Any
) -> io.Combo.Input:
    """Makes a list of the keys. unused: the widgets that do nothing with each key; they are hidden.

    when_missing: the value in a saved graph that is older than the input.
    """
    combo = io.Combo.Input(name, options=list(unused), **rest)
    # as an attribute, since ComfyUI 0.3 takes no extra_dict for a list
    combo.extra_dict = {**combo.extra_dict, "unused_widgets": {key: list(names) for key, names in unused.items()}}
    if when_missing is not None:
        combo.extra_dict["when_missing"] = when_missing
    return combo


def retired(given: AnyInput) -> AnyInput:
    """Marks an input that does nothing any more and is kept for old graphs. It is never shown."""
    given.extra_dict = {**given.extra_dict, "retired": True}
    return given
