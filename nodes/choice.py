"""A list to choose from, which hides the widgets that the choice has no use for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from comfy_api.latest import io


def offer_choice(name: str, unused: Mapping[str, Iterable[str]], **rest: Any) -> io.Combo.Input:
    """An input that offers the keys. unused: which widgets of the node each of them has no use for.

    The frontend's part is `web/js/unused_widgets.js`; without it, nothing is hidden and everything works.
    """
    combo = io.Combo.Input(name, options=list(unused), **rest)
    # as an attribute, since ComfyUI 0.3 takes no extra_dict for a list
    combo.extra_dict = {**combo.extra_dict, "unused_widgets": {key: list(names) for key, names in unused.items()}}
    return combo
