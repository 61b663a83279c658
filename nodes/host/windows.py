"""Which frames of a clip a forward sees, where a host slides context windows over a longer one."""

from __future__ import annotations

from typing import Any

from ...motion_core.hooks.embedding_hooks import Window

FRAME_INDICES = ("window", "absolute")
"""What sliding context windows do to a motion: it is repeated in each, or stretched over the whole clip."""


def find_window(options: dict[str, Any]) -> Window | None:
    """The frames' numbers in the whole clip, as AnimateDiff-Evolved or the host says; None where no window slides.

    The host may put an anchor before a window, a frame of the clip that the forward sees and whose result it drops.
    """
    said = options.get("ad_params") or {}
    if said.get("sub_idxs") is not None:
        return Window(tuple(said["sub_idxs"]), int(said["full_length"]))
    window = options.get("context_window")
    if window is not None and getattr(window, "total_frames", 0):
        return Window((*_find_anchor(options), *window.index_list), int(window.total_frames))
    return None


def find_repeated_window(options: dict[str, Any]) -> Window | None:
    """The same, for a motion that begins anew in each window; None where it is spread over all that a forward sees.

    An anchor lies before the motion's first frame and is given that frame's, so that the window's own frames move as
    they would without it.
    """
    if not _find_anchor(options):
        return None
    length = len(options["context_window"].index_list)
    return Window((0, *range(length)), length)


def _find_anchor(options: dict[str, Any]) -> tuple[int, ...]:
    anchor = getattr(options.get("context_window"), "causal_anchor_index", None)
    windowed_elsewhere = (options.get("ad_params") or {}).get("sub_idxs") is not None
    return () if anchor is None or anchor < 0 or windowed_elsewhere else (int(anchor),)
