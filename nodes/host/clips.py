"""Clips from the numbered sockets of a node, by the labels in its widgets."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from ...motion_core.errors import OptionError


def by_label(clips: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """The frames without an alpha channel. Raises OptionError for a label that two clips have."""
    found: dict[str, Tensor] = {}
    for label, images in clips:
        if label in found:
            raise OptionError(f"two clips are called {label!r}; give each a label of its own")
        found[label] = images[..., :3]
    return found
