"""Combos that change how the frontend shows other widgets, or that it fills in for older graphs.

The frontend's part is `web/js/unused_widgets.js`. Without it nothing is hidden or filled in, and everything else works.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from comfy_api.latest import io


def offer_choice(name: str, unused: Mapping[str, Iterable[str]], **rest: Any) -> io.Combo.Input:
    """Makes an input that offers the keys. unused: the widgets of the node that change nothing under each of them."""
    combo = io.Combo.Input(name, options=list(unused), **rest)
    return tell_frontend(combo, unused_widgets={key: list(names) for key, names in unused.items()})


def tell_frontend(given: Any, **facts: Any) -> Any:
    """Adds facts to what the frontend gets to know of an input.

    retired: the widget is kept for older graphs, changes nothing and is hidden. when_missing: its value in a graph that
    was saved before there was such a widget.
    """
    # as an attribute, since ComfyUI 0.3 takes no extra_dict for a list
    given.extra_dict = {**(getattr(given, "extra_dict", None) or {}), **facts}
    return given
