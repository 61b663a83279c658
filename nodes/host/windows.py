"""The frames of a clip that a forward gets, where a host slides context windows over a longer clip."""

from __future__ import annotations

from typing import Any

from ...motion_core.hooks.live_switch import Window

FRAME_INDICES = ("window", "absolute")
"""How sliding context windows get a motion: repeated in each, or stretched over the whole clip."""


def find_window(options: dict[str, Any]) -> Window | None:
    """Finds the frames' numbers in the whole clip, as AnimateDiff-Evolved or the host gives them; None without windows.

    The host may put an anchor before a window: a frame of the clip that the forward gets and whose result it drops.
    """
    evolved = options.get("ad_params") or {}
    if evolved.get("sub_idxs") is not None:
        return Window(tuple(evolved["sub_idxs"]), int(evolved["full_length"]))
    window = options.get("context_window")
    if window is not None and getattr(window, "total_frames", None):
        return Window((*_find_anchor(options), *window.index_list), int(window.total_frames))
    return None


def find_repeated_window(options: dict[str, Any]) -> Window | None:
    """Finds the same for a motion that is repeated in each window; None where it covers all frames of a forward.

    An anchor lies before the motion's first frame and gets that frame's embedding, so that the window's own frames move
    as they would without it.
    """
    if not _find_anchor(options):
        return None
    length = len(options["context_window"].index_list)
    return Window((0, *range(length)), length)


def _find_anchor(options: dict[str, Any]) -> tuple[int, ...]:
    anchor = getattr(options.get("context_window"), "causal_anchor_index", None)
    windowed_elsewhere = (options.get("ad_params") or {}).get("sub_idxs") is not None
    return () if anchor is None or anchor < 0 or windowed_elsewhere else (int(anchor),)
